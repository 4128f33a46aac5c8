//! The Secret with which the pods sign the tokens of live streams, so that any of them goes on with a stream that another
//! has begun. It is made once: with another key, the tokens that clients hold would be worth nothing.

use crds::audioconverter::access::SecretKeyRef;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, Volume, VolumeMount};

use super::secrets;
use crate::audioconverter::validate::ValidatedConverter;
use crate::names;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Name of the volume.
const VOLUME: &str = "stream-key";
/// The key's name in the Secret, and so the file's, unless the user's Secret has it under another.
const KEY: &str = "key";

/// Whether the operator makes the Secret. One that it made before the user named his own stays: clients hold tokens of
/// it, should the field be taken away again.
pub fn is_ours(converter: &ValidatedConverter) -> bool {
    users(converter).is_none()
}

fn users(converter: &ValidatedConverter) -> Option<&SecretKeyRef> {
    converter.auth.as_ref()?.stream_key_secret_ref.as_ref()
}

/// The key's name in the Secret.
pub(super) fn key(converter: &ValidatedConverter) -> &str {
    users(converter).and_then(|secret| secret.key.as_deref()).unwrap_or(KEY)
}

/// Its name, if the operator makes it.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "-stream-key", names::MAX_SUBDOMAIN)
}

/// The Secret with this key.
pub fn build(converter: &ValidatedConverter, key: [u8; KEY_BYTES]) -> Secret {
    Secret {
        metadata: super::meta(converter, name(converter)),
        data: Some([(KEY.to_owned(), ByteString(key.to_vec()))].into()),
        // Whoever wants another key deletes the Secret: then a new one is made.
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The pods' volume with the key.
pub fn volume(converter: &ValidatedConverter) -> Volume {
    let secret = users(converter).map_or_else(|| name(converter), |secret| secret.name.clone());
    secrets::volume(VOLUME, &secret)
}

/// Where the container sees it.
pub fn mount() -> VolumeMount {
    secrets::mount(VOLUME)
}

/// The key's file in the container.
pub fn file(converter: &ValidatedConverter) -> String {
    secrets::file(VOLUME, key(converter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;

    #[test]
    fn it_holds_the_key_under_its_own_name_for_good() {
        let secret = build(&fixtures::valid("{}"), [7; KEY_BYTES]);
        assert_eq!(secret.metadata.name.as_deref(), Some("tape.archive-9-stream-key"));
        assert_eq!(secret.data.unwrap()["key"].0, [7; 32]);
        assert_eq!(secret.immutable, Some(true));
    }

    #[test]
    fn a_secret_of_the_users_takes_its_place() {
        for (spec, ours, secret, file_says) in [
            ("{}", true, "tape.archive-9-stream-key", "/etc/flacship/stream-key/key"),
            ("auth: {streamKeySecretRef: {name: sign}}", false, "sign", "/etc/flacship/stream-key/key"),
            ("auth: {streamKeySecretRef: {name: sign, key: a.b}}", false, "sign", "/etc/flacship/stream-key/a.b"),
        ] {
            let valid = fixtures::valid(spec);
            assert_eq!(is_ours(&valid), ours, "{spec}");
            assert_eq!(volume(&valid).secret.unwrap().secret_name.as_deref(), Some(secret), "{spec}");
            assert_eq!(file(&valid), file_says);
        }
    }

    #[test]
    fn long_names_keep_their_ending() {
        let mut valid = fixtures::valid("{}");
        valid.name = "n".repeat(253);
        let name = name(&valid);
        assert!(name.len() <= 253 && name.ends_with("-stream-key"), "{name}");
    }
}
