//! The image and the encoding of a run, which it takes once: pure but for the look at the AudioConverter, which is
//! `observe`'s.
//!
//! They come from the resource or from an AudioConverter, and are kept as an annotation of every Job of the run. So neither a
//! later change of that AudioConverter nor an operator with another default image mixes them within one run.

use crds::AudioConverter;
use crds::conditions::JobReason;
use crds::shared::{Encoding, ImageSource, Metadata};
use serde::{Deserialize, Serialize};

use super::result::Failure;
use super::validate::{OnSource, ValidatedJob};
use crate::conditions::shorten;
use crate::names::MAX_SUBDOMAIN;

/// Annotation of every Job of a run: its settings as JSON.
pub const SETTINGS: &str = "flacship.dev/settings";

/// What a run takes once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Settings {
    /// The image, which is always named, and how to get it.
    pub image: ImageSource,
    /// How the FLAC is made.
    pub encoding: Encoding,
}

/// The settings of a run, or why there are none yet.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingsState {
    /// They are known.
    Known(Box<Settings>),
    /// They are not; the words say what to do.
    NotReady(Failure),
}

/// What is known of the AudioConverter of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum ConverterSeen {
    /// It is there.
    There(Box<AudioConverter>),
    /// It is not.
    Missing,
    /// It has a name that no AudioConverter can have.
    Impossible,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

/// The settings that annotations of the run's Jobs keep.
pub fn kept(annotation: &str) -> Option<Settings> {
    serde_json::from_str(annotation).ok()
}

/// The settings of a run that begins; `converter` is what the job's `converterRef` names.
pub fn plan_settings(job: &ValidatedJob, converter: Option<&ConverterSeen>, default_image: &str) -> SettingsState {
    let name = job.converter.as_deref().unwrap_or_default();
    let namespace = &job.namespace;
    let not_ready = |reason, message| SettingsState::NotReady(Failure { reason, message });
    match converter {
        None => known(job, None, job.encoding.clone().unwrap_or_default(), default_image),
        Some(ConverterSeen::Missing) => not_ready(
            JobReason::ConverterNotFound,
            format!(
                "AudioConverter {name} does not exist in namespace {namespace}: create it there, and the run begins by itself; or make a ConversionJob that names another"
            ),
        ),
        Some(ConverterSeen::Impossible) => not_ready(
            JobReason::ConverterNotFound,
            format!(
                "{:?} is no name that an AudioConverter can have: make a ConversionJob that names one in namespace {namespace}; names are of lower-case letters, digits, dashes and dots",
                shorten(name, MAX_SUBDOMAIN)
            ),
        ),
        Some(ConverterSeen::Unreadable(why)) => not_ready(
            JobReason::ConverterUnsuitable,
            format!(
                "AudioConverter {name} in namespace {namespace} cannot be read: {why}: mend it, and the run begins by itself"
            ),
        ),
        Some(ConverterSeen::There(converter)) => {
            let encoding = &converter.spec.encoding.encoding;
            if job.on_source == OnSource::Delete && encoding.metadata != Metadata::Foreign {
                return not_ready(
                    JobReason::ConverterUnsuitable,
                    format!(
                        "sourcePolicy DeleteAfterVerify needs encoding.metadata Foreign, and AudioConverter {name} does not have it: set it there, and the run begins by itself; or make a ConversionJob with an encoding of its own"
                    ),
                );
            }
            known(job, Some(&converter.spec.image), encoding.clone(), default_image)
        }
    }
}

/// The job's own words about the image go before the converter's, field by field.
fn known(job: &ValidatedJob, other: Option<&ImageSource>, encoding: Encoding, default_image: &str) -> SettingsState {
    let (own, none) = (&job.image, ImageSource::default());
    let other = other.unwrap_or(&none);
    let image = own.image.clone().or_else(|| other.image.clone()).unwrap_or_else(|| default_image.to_owned());
    let secrets = if own.image_pull_secrets.is_empty() { &other.image_pull_secrets } else { &own.image_pull_secrets };
    let image = ImageSource {
        image: Some(image),
        image_pull_policy: own.image_pull_policy.or(other.image_pull_policy),
        image_pull_secrets: secrets.clone(),
    };
    SettingsState::Known(Box::new(Settings { image, encoding }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversionjob::fixtures::validated;

    const DEFAULT: &str = "registry.example/converter:1";

    fn converter(spec: &str) -> ConverterSeen {
        let mut converter = AudioConverter::new("lark", serde_yaml::from_str(spec).unwrap());
        converter.metadata.namespace = Some("attic".to_owned());
        ConverterSeen::There(Box::new(converter))
    }

    fn spec(more: &str) -> String {
        format!("{{source: {{volume: {{persistentVolumeClaim: {{claimName: tape}}}}}}{more}}}")
    }

    #[test]
    fn what_the_job_says_goes_before_what_the_converter_says_before_the_defaults() {
        let acv = "{image: 'acv:7', imagePullPolicy: Never, imagePullSecrets: [{name: reg}], encoding: {compressionLevel: 8, verify: true}}";
        for (more, seen, image, policy, secrets, level) in [
            ("", None, DEFAULT, None, 0, 5),
            (", encoding: {compressionLevel: 2}", None, DEFAULT, None, 0, 2),
            (", image: 'own:1', imagePullPolicy: Always", None, "own:1", Some("Always"), 0, 5),
            (", converterRef: {name: lark}", Some("{}"), DEFAULT, None, 0, 5),
            (", converterRef: {name: lark}", Some(acv), "acv:7", Some("Never"), 1, 8),
            (", converterRef: {name: lark}, image: 'own:1'", Some(acv), "own:1", Some("Never"), 1, 8),
            (", converterRef: {name: lark}, imagePullPolicy: Always", Some(acv), "acv:7", Some("Always"), 1, 8),
            (
                ", converterRef: {name: lark}, imagePullSecrets: [{name: a}, {name: b}]",
                Some(acv),
                "acv:7",
                Some("Never"),
                2,
                8,
            ),
        ] {
            let seen = seen.map(converter);
            let SettingsState::Known(found) = plan_settings(&validated(&spec(more)), seen.as_ref(), DEFAULT) else {
                panic!("{more} has no settings")
            };
            assert_eq!(found.image.image.as_deref(), Some(image), "{more}");
            assert_eq!(found.image.image_pull_policy.map(crds::shared::ImagePullPolicy::as_str), policy, "{more}");
            assert_eq!(found.image.image_pull_secrets.len(), secrets, "{more}");
            assert_eq!(found.encoding.compression_level, level, "{more}");
            assert_eq!(kept(&serde_json::to_string(&found).unwrap()), Some(*found), "{more}");
        }
        assert_eq!(kept("{}"), None);
        assert_eq!(kept(""), None);
    }

    #[test]
    fn a_converter_that_cannot_be_used_says_what_to_do() {
        let job = validated(&spec(", converterRef: {name: lark}"));
        let delete = validated(&spec(", converterRef: {name: lark}, sourcePolicy: {type: DeleteAfterVerify}"));
        for (job, seen, reason, words) in [
            (
                &job,
                ConverterSeen::Missing,
                JobReason::ConverterNotFound,
                "AudioConverter lark does not exist in namespace attic: create it",
            ),
            (
                &validated(&spec(", converterRef: {name: a b}")),
                ConverterSeen::Impossible,
                JobReason::ConverterNotFound,
                "\"a b\" is no name that an AudioConverter can have: make a ConversionJob",
            ),
            (
                &job,
                ConverterSeen::Unreadable("no spec".to_owned()),
                JobReason::ConverterUnsuitable,
                "cannot be read: no spec: mend it",
            ),
            (
                &delete,
                converter("{}"),
                JobReason::ConverterUnsuitable,
                "AudioConverter lark does not have it: set it there",
            ),
        ] {
            let SettingsState::NotReady(failure) = plan_settings(job, Some(&seen), DEFAULT) else {
                panic!("{seen:?} is usable")
            };
            assert_eq!(failure.reason, reason);
            assert!(failure.message.contains(words), "{}", failure.message);
        }
        let foreign = converter("{encoding: {metadata: Foreign}}");
        assert!(matches!(plan_settings(&delete, Some(&foreign), DEFAULT), SettingsState::Known(_)));
    }
}
