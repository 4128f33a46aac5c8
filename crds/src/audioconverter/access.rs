//! Who may use a converter, and with which certificate and keys it answers. The Secrets are mounted into the pods; the
//! operator never reads what they hold.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Who may use the converter.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Secret with the bearer tokens that let clients in, one a line, in the resource's namespace. Left out, everybody is
    /// let in. A change of the Secret is followed without a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_tokens_secret_ref: Option<SecretKeyRef>,
    /// Secret with the keys that sign the tokens by which streams resume, in place of the one that the operator makes:
    /// hex or base64, one a line; the first signs, all are honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_key_secret_ref: Option<SecretKeyRef>,
    /// Further origins whose pages may open the live stream and use /convert, such as https://studio.example; `*` for
    /// all. Default: the converter's own page only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 300), regex(pattern = r"^(\*|https?://[^/,\s]+)$")))]
    pub allowed_origins: Vec<String>,
}

/// A key of a Secret in the resource's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::NAME))]
    pub name: String,
    /// Key in the Secret. Default: `tokens` for bearer tokens, `key` for the stream key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}

/// HTTPS straight from the pods, which browsers ask for before they give a page the microphone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret of type kubernetes.io/tls with the certificate and its key. Then the converter answers over HTTPS and
    /// nothing else. A renewed certificate is taken up without a restart.
    pub secret_ref: SecretRef,
}

/// A Secret in the resource's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::NAME))]
    pub name: String,
}
