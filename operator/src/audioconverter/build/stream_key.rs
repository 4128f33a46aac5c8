//! The Secret with which the pods sign the tokens of live streams, so that any of them goes on with a stream that another
//! has begun. It is made once: with another key, the tokens that clients hold would be worth nothing.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, SecretVolumeSource, Volume, VolumeMount};

use crate::audioconverter::validate::ValidatedConverter;
use crate::names;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Name of the volume, and its place in the pods.
const VOLUME: &str = "stream-key";
const FOLDER: &str = "/etc/flacship/stream-key";
/// The key's name in the Secret, and so the file's.
const KEY: &str = "key";
/// Anybody in the container may read it: whoever runs as the converter can.
const READABLE: i32 = 0o444;

/// Its name.
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
    Volume {
        name: VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name(converter)),
            default_mode: Some(READABLE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Where the container sees it.
pub fn mount() -> VolumeMount {
    VolumeMount {
        name: VOLUME.to_owned(),
        mount_path: FOLDER.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// The key's file in the container.
pub fn file() -> String {
    format!("{FOLDER}/{KEY}")
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
    fn long_names_keep_their_ending() {
        let mut valid = fixtures::valid("{}");
        valid.name = "n".repeat(253);
        let name = name(&valid);
        assert!(name.len() <= 253 && name.ends_with("-stream-key"), "{name}");
    }
}
