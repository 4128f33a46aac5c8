//! The Secrets of the user that a converter needs. They are mounted whole, without subPath, so that a renewed one arrives
//! in running pods; the operator looks whether they are there and never reads what they hold.

use k8s_openapi::api::core::v1::{EnvVar, SecretVolumeSource, Volume, VolumeMount};

use super::stream_key;
use crate::audioconverter::validate::ValidatedConverter;
use crate::pods;

/// Names of the volumes.
const TOKENS: &str = "tokens";
const TLS: &str = "tls";
/// Keys in the Secrets where the spec names none; those of kubernetes.io/tls are fixed.
const TOKENS_KEY: &str = "tokens";
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";
/// Anybody in the container may read them: whoever runs as the converter can.
const READABLE: i32 = 0o444;

/// A Secret that must be there, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededSecret {
    /// Its name.
    pub name: String,
    /// The field that names it.
    pub field: &'static str,
    /// What it is to hold, and what else can be done.
    pub advice: String,
}

/// A Secret in a volume of the pods.
pub(super) struct Mounted {
    /// The volume.
    pub volume: Volume,
    /// Where the container sees it.
    pub mount: VolumeMount,
    /// What tells the converter about its files.
    pub env: Vec<EnvVar>,
}

/// The Secrets that the pods mount for `auth` and `tls`, beside the stream key.
pub(super) fn mounted(converter: &ValidatedConverter) -> Vec<Mounted> {
    let tokens = converter.auth.as_ref().and_then(|auth| auth.bearer_tokens_secret_ref.as_ref());
    let tokens = tokens.map(|secret| Mounted {
        volume: volume(TOKENS, &secret.name),
        mount: mount(TOKENS),
        env: vec![pods::env("FLACSHIP_TOKEN_FILE", file(TOKENS, secret.key.as_deref().unwrap_or(TOKENS_KEY)))],
    });
    let tls = converter.tls.as_ref().map(|tls| Mounted {
        volume: volume(TLS, &tls.secret_ref.name),
        mount: mount(TLS),
        env: vec![
            pods::env("FLACSHIP_TLS_CERT", file(TLS, CERTIFICATE)),
            pods::env("FLACSHIP_TLS_KEY", file(TLS, PRIVATE_KEY)),
        ],
    });
    tokens.into_iter().chain(tls).collect()
}

/// Every Secret that the spec names and that must be there, in the order of the spec.
pub fn needed(converter: &ValidatedConverter) -> Vec<NeededSecret> {
    let need = |name: &str, field, advice: String| NeededSecret { name: name.to_owned(), field, advice };
    let ingress = converter.ingress.as_ref().and_then(|ingress| ingress.tls_secret_name.as_ref());
    let auth = converter.auth.as_ref();
    let tokens = auth.and_then(|auth| auth.bearer_tokens_secret_ref.as_ref());
    let key = auth.and_then(|auth| auth.stream_key_secret_ref.as_ref());
    let tls = converter.tls.as_ref().map(|tls| &tls.secret_ref);
    let mut all = Vec::new();
    all.extend(ingress.map(|name| {
        let advice =
            "create it (type kubernetes.io/tls), or leave the field out if the ingress controller has a certificate";
        need(name, "ingress.tlsSecretName", advice.to_owned())
    }));
    all.extend(tokens.map(|secret| {
        let key = secret.key.as_deref().unwrap_or(TOKENS_KEY);
        need(
            &secret.name,
            "auth.bearerTokensSecretRef",
            format!("create it with the key {key:?}, one token a line, or leave the field out to let everybody in"),
        )
    }));
    all.extend(key.map(|secret| {
        let key = stream_key::key(converter);
        need(
            &secret.name,
            "auth.streamKeySecretRef",
            format!("create it with the key {key:?}, or leave the field out and the operator makes a key"),
        )
    }));
    all.extend(tls.map(|secret| {
        need(
            &secret.name,
            "tls.secretRef",
            format!("create it (type kubernetes.io/tls, keys {CERTIFICATE} and {PRIVATE_KEY}), or leave tls out"),
        )
    }));
    let volumes = converter.pod_template.iter().flat_map(|template| &template.volumes);
    let secrets = volumes.filter_map(|volume| volume.secret.as_ref()).filter(|secret| secret.optional != Some(true));
    all.extend(
        secrets
            .filter_map(|secret| secret.secret_name.as_ref())
            .map(|name| need(name, "podTemplate.volumes", "create it, or mark the volume as optional".to_owned())),
    );
    all
}

/// A volume with all keys of a Secret.
pub(super) fn volume(name: &str, secret: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(READABLE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Where the container sees the volume `name`.
pub(super) fn mount(name: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: folder(name), read_only: Some(true), ..VolumeMount::default() }
}

/// The file of a key in the container.
pub(super) fn file(volume: &str, key: &str) -> String {
    format!("{}/{key}", folder(volume))
}

fn folder(volume: &str) -> String {
    format!("/etc/flacship/{volume}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;

    fn fields(spec: &str) -> Vec<(String, &'static str)> {
        needed(&fixtures::valid(spec)).into_iter().map(|secret| (secret.name, secret.field)).collect()
    }

    #[test]
    fn the_secrets_of_a_spec_are_known_by_their_fields() {
        assert_eq!(fields("{}"), []);
        let all = fields(
            "{ingress: {host: a.example, tlsSecretName: host}, tls: {secretRef: {name: pod}},
              auth: {bearerTokensSecretRef: {name: who}, streamKeySecretRef: {name: sign, key: a}},
              podTemplate: {volumes: [{name: x, secret: {secretName: more}}, {name: y, emptyDir: {}},
                {name: z, secret: {secretName: maybe, optional: true}}]}}",
        );
        let all: Vec<(&str, &str)> = all.iter().map(|(name, field)| (name.as_str(), *field)).collect();
        assert_eq!(
            all,
            [
                ("host", "ingress.tlsSecretName"),
                ("who", "auth.bearerTokensSecretRef"),
                ("sign", "auth.streamKeySecretRef"),
                ("pod", "tls.secretRef"),
                ("more", "podTemplate.volumes"),
            ]
        );
    }

    #[test]
    fn what_a_secret_is_to_hold_is_said() {
        let advice = |spec: &str| needed(&fixtures::valid(spec)).remove(0).advice;
        assert!(advice("auth: {bearerTokensSecretRef: {name: who}}").contains("the key \"tokens\""));
        assert!(advice("auth: {bearerTokensSecretRef: {name: who, key: staff}}").contains("the key \"staff\""));
        assert!(advice("auth: {streamKeySecretRef: {name: sign}}").contains("the key \"key\""));
        assert!(advice("tls: {secretRef: {name: pod}}").contains("tls.crt and tls.key"));
    }
}
