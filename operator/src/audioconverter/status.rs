//! Last step: what was applied and observed becomes the status, and its transitions Events.

use crds::conditions::ConverterCondition;
use crds::{AudioConverter, AudioConverterStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use super::apply::AppliedChildren;
use super::conditions::{Facts, Rollout, plan_conditions};
use super::endpoint::endpoint;
use super::observe::Seen;
use super::scaling::follow::Followed;
use super::validate::{InvalidSpec, ValidatedConverter};
use crate::conditions::{self, Wanted};
use crate::context::Context;
use crate::errors::CallError;
use crate::events::Note;
use crate::labels::{self, Component};
use crate::status::{StatusWrite, patch_status, patch_status_at};

/// The status of a converter with these children, of which so much was seen.
pub fn plan_status(
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    wanted_replicas: i32,
    applied: &AppliedChildren,
    seen: &Seen,
    followed: Followed,
) -> AudioConverterStatus {
    let rollout = applied.deployment.as_ref().map(Rollout::from);
    let facts = Facts {
        wanted: wanted_replicas,
        rollout: rollout.as_ref(),
        refusals: &applied.refusals,
        lacks: &applied.lacks,
        trouble: seen.trouble.clone(),
        autoscaler: valid.autoscaling.as_ref().filter(|wish| wish.streams.is_none()).map(|_| applied.hpa.as_ref()),
        paused: valid.paused,
        streams: followed.condition,
    };
    let (last_scale_time, last_scale_reason) = followed.last_scale.unzip();
    let selector = labels::selector(&valid.name, Component::Converter);
    AudioConverterStatus {
        observed_generation: converter.metadata.generation,
        replicas: rollout.as_ref().map_or(0, |rollout| rollout.replicas),
        ready_replicas: rollout.as_ref().map_or(0, |rollout| rollout.ready),
        desired_replicas: wanted_replicas,
        draining_replicas: seen.draining,
        active_streams: followed.figures.active,
        capacity: followed.figures.capacity,
        last_scale_time,
        last_scale_reason,
        selector: Some(labels::selector_text(&selector)),
        endpoint: endpoint(valid, applied, seen.node.as_deref()),
        image: Some(valid.image.image.clone().unwrap_or_else(|| valid.default_image.clone())),
        conditions: merged(converter, plan_conditions(&facts)),
    }
}

/// The status of a converter whose spec contradicts itself or asks for what is not allowed: what runs is left as it is.
pub fn invalid(converter: &AudioConverter, error: &InvalidSpec) -> AudioConverterStatus {
    AudioConverterStatus {
        observed_generation: converter.metadata.generation,
        conditions: merged(converter, super::conditions::held(error.reason(), error.to_string())),
        ..converter.status.clone().unwrap_or_default()
    }
}

fn merged(
    converter: &AudioConverter,
    wanted: Vec<Wanted>,
) -> Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    conditions::merge(previous(converter), wanted, converter.metadata.generation, &conditions::now())
}

fn previous(converter: &AudioConverter) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
    converter.status.as_ref().map_or(&[], |status| status.conditions.as_slice())
}

/// Writes `status` if it is another, and tells of conditions that changed. Gives the metadata that the resource then has;
/// None if it is gone.
pub async fn write(
    ctx: &Context,
    converter: &AudioConverter,
    status: &AudioConverterStatus,
) -> Result<Option<ObjectMeta>, CallError> {
    let metadata = match patch_status(ctx, converter, converter.status.as_ref(), status).await? {
        StatusWrite::Written(metadata) => *metadata,
        StatusWrite::Unchanged => return Ok(Some(converter.metadata.clone())),
        StatusWrite::Gone => return Ok(None),
    };
    for note in notes(converter, status) {
        tracing::info!(reason = note.reason, "{}", note.message);
        ctx.events.publish(&converter.object_ref(&()), note).await;
    }
    Ok(Some(metadata))
}

/// Says again what was said before `status`, the one just written, of the last change of the count: it did not come to it.
/// With `version`, only if nobody has written the resource since it had that one: a conflict if so.
pub async fn take_back_scale(
    ctx: &Context,
    converter: &AudioConverter,
    status: AudioConverterStatus,
    version: Option<&str>,
) -> Result<(), CallError> {
    let before = converter.status.as_ref();
    let mut restored = status.clone();
    restored.last_scale_time = before.and_then(|before| before.last_scale_time.clone());
    restored.last_scale_reason = before.and_then(|before| before.last_scale_reason.clone());
    patch_status_at(ctx, converter, version, Some(&status), &restored).await?;
    Ok(())
}

/// What is worth an Event: becoming ready or not, a new trouble and its end, the autoscaler losing its metric.
fn notes(converter: &AudioConverter, status: &AudioConverterStatus) -> Vec<Note> {
    let before = previous(converter);
    let worth_telling = |condition: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        let first = conditions::find(before, &condition.type_).is_none();
        let good = condition.type_ == ConverterCondition::Degraded.as_str();
        // A new resource is neither ready nor in trouble: nothing has happened yet.
        !(first && condition.status == if good { "False" } else { "Unknown" })
    };
    conditions::transitions(before, &status.conditions)
        .into_iter()
        .filter(worth_telling)
        .filter_map(|condition| {
            let is = |type_: ConverterCondition| condition.type_ == type_.as_str();
            let message = &condition.message;
            if is(ConverterCondition::Degraded) {
                Some(match condition.status.as_str() {
                    "True" => Note::warning(&condition.reason, "Observe", message),
                    _ => Note::normal("Recovered", "Observe", message),
                })
            } else if is(ConverterCondition::Ready) {
                let changed =
                    conditions::find(before, &condition.type_).is_none_or(|old| old.status != condition.status);
                match condition.status.as_str() {
                    "True" if changed => Some(Note::normal("Ready", "Observe", message)),
                    // A first `False` is the start of every converter.
                    _ if changed && !before.is_empty() => Some(Note::warning("NotReady", "Observe", message)),
                    _ => None,
                }
            } else if is(ConverterCondition::ScalingActive) && condition.status == "False" {
                Some(Note::warning(&condition.reason, "Observe", message))
            } else if is(ConverterCondition::Paused) {
                let first = conditions::find(before, &condition.type_).is_none();
                match condition.status.as_str() {
                    "True" => Some(Note::normal("Paused", "Observe", message)),
                    _ if first => None,
                    _ => Some(Note::normal("Resumed", "Observe", message)),
                }
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use crate::audioconverter::scaling::memory::Figures;
    use crate::conversionjob::fixtures::FakeCluster;
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Service;

    fn service(status: &str) -> Service {
        serde_yaml::from_str(&format!("{{metadata: {{name: s, namespace: reels}}, status: {status}}}")).unwrap()
    }

    fn applied(deployment: &str) -> AppliedChildren {
        let deployment: Deployment = serde_yaml::from_str(deployment).unwrap();
        AppliedChildren { deployment: Some(deployment), service: Some(service("{}")), ..AppliedChildren::default() }
    }

    const READY: &str = "{metadata: {generation: 1}, spec: {replicas: 2, selector: {}, template: {}},
        status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2}}";

    #[test]
    fn the_status_repeats_what_scale_and_people_need() {
        let converter = fixtures::converter("replicas: 2");
        let status = plan_status(
            &converter,
            &fixtures::valid("replicas: 2"),
            2,
            &applied(READY),
            &Seen::default(),
            Followed::default(),
        );
        assert_eq!((status.replicas, status.ready_replicas), (2, 2));
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.image.as_deref(), Some(fixtures::IMAGE));
        assert_eq!(
            status.selector.as_deref(),
            Some(
                "app.kubernetes.io/component=converter,app.kubernetes.io/instance=tape.archive-9,app.kubernetes.io/name=flacship-converter"
            )
        );
        assert!(conditions::is_true(&status.conditions, "Ready"));
        assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(3)));
    }

    #[test]
    fn nothing_new_is_the_same_status() {
        let mut converter = fixtures::converter("replicas: 2");
        let valid = fixtures::valid("replicas: 2");
        let first = plan_status(&converter, &valid, 2, &applied(READY), &Seen::default(), Followed::default());
        converter.status = Some(first.clone());
        assert_eq!(plan_status(&converter, &valid, 2, &applied(READY), &Seen::default(), Followed::default()), first);
    }

    #[test]
    fn an_invalid_spec_keeps_what_is_known_of_the_pods() {
        let mut converter = fixtures::converter("replicas: 2");
        converter.status = Some(plan_status(
            &converter,
            &fixtures::valid("replicas: 2"),
            2,
            &applied(READY),
            &Seen::default(),
            Followed::default(),
        ));
        let status = invalid(&converter, &InvalidSpec::NodePort);
        assert_eq!(status.replicas, 2);
        assert!(status.selector.is_some());
        let degraded = conditions::find(&status.conditions, "Degraded").unwrap();
        assert_eq!((degraded.status.as_str(), degraded.reason.as_str()), ("True", "InvalidSpec"));
    }

    #[test]
    fn events_tell_of_transitions_only() {
        let mut converter = fixtures::converter("replicas: 2");
        let valid = fixtures::valid("replicas: 2");
        let reasons = |converter: &AudioConverter, status: &AudioConverterStatus| -> Vec<String> {
            notes(converter, status).into_iter().map(|note| note.reason).collect()
        };
        let starting =
            plan_status(&converter, &valid, 2, &AppliedChildren::default(), &Seen::default(), Followed::default());
        assert_eq!(reasons(&converter, &starting), Vec::<String>::new());
        converter.status = Some(starting);
        let ready = plan_status(&converter, &valid, 2, &applied(READY), &Seen::default(), Followed::default());
        assert_eq!(reasons(&converter, &ready), ["Ready"]);
        converter.status = Some(ready.clone());
        assert_eq!(reasons(&converter, &ready), Vec::<String>::new());
        let broken = plan_status(
            &converter,
            &valid,
            2,
            &AppliedChildren::default(),
            &Seen { trouble: Some("no image".to_owned()), ..Seen::default() },
            Followed::default(),
        );
        assert_eq!(reasons(&converter, &broken), ["NotReady", "PodsNotStarting"]);
        converter.status = Some(broken);
        assert_eq!(reasons(&converter, &ready), ["Ready", "Recovered"]);
    }

    #[test]
    fn what_the_scaling_says_is_told() {
        let converter = fixtures::converter("replicas: 2");
        let followed = Followed {
            figures: Figures { active: Some(7), capacity: Some(40) },
            last_scale: Some((conditions::now(), "more streams".to_owned())),
            ..Followed::default()
        };
        let seen = Seen { draining: 3, ..Seen::default() };
        let status = plan_status(&converter, &fixtures::valid("replicas: 2"), 2, &applied(READY), &seen, followed);
        assert_eq!((status.active_streams, status.capacity, status.draining_replicas), (Some(7), Some(40), 3));
        assert_eq!(status.last_scale_reason.as_deref(), Some("more streams"));
        assert!(status.last_scale_time.is_some());
    }

    #[tokio::test]
    async fn a_change_of_the_count_that_did_not_come_is_not_told() {
        let path = "PATCH /apis/flacship.dev/v1alpha1/namespaces/reels/audioconverters/tape.archive-9/status";
        let mut converter = fixtures::converter("replicas: 2");
        let told = |reason: &str| AudioConverterStatus {
            last_scale_reason: Some(reason.to_owned()),
            active_streams: Some(7),
            ..AudioConverterStatus::default()
        };
        for (before, writes) in [(Some(told("from 1 to 2")), 1), (None, 1), (Some(told("from 2 to 3")), 0)] {
            converter.status = before.clone();
            let answer = serde_json::to_value(&converter).unwrap();
            let cluster = FakeCluster::default().json(path, &answer);
            take_back_scale(&cluster.context(), &converter, told("from 2 to 3"), None).await.unwrap();
            assert_eq!(cluster.asked().len(), writes, "{before:?}");
        }
    }

    #[test]
    fn a_pause_and_its_end_are_told_and_no_beginning_without_one() {
        let of = |converter: &AudioConverter, spec: &str| {
            let status = plan_status(
                converter,
                &fixtures::valid(spec),
                2,
                &applied(READY),
                &Seen::default(),
                Followed::default(),
            );
            let told: Vec<String> = notes(converter, &status).into_iter().map(|note| note.reason).collect();
            (status, told)
        };
        let mut converter = fixtures::converter("replicas: 2");
        let mut story = Vec::new();
        for spec in ["paused: false", "paused: true", "paused: false"] {
            let (status, told) = of(&converter, spec);
            converter.status = Some(status);
            story.extend(told);
        }
        assert_eq!(story, ["Ready", "Paused", "Resumed"]);
    }

    #[test]
    fn what_is_not_allowed_is_said_as_such() {
        let status = invalid(&fixtures::converter("{}"), &InvalidSpec::ServiceAccountName);
        let reasons: Vec<&str> = status.conditions.iter().map(|condition| condition.reason.as_str()).collect();
        assert_eq!(reasons, ["NotAllowed", "NotAllowed"]);
    }
}
