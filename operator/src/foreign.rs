//! Kinds of other projects that we write and Kubernetes' own types lack: the fields that we set, and no more.
//!
//! What the cluster adds to them is not read; server-side apply leaves it as it is.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};

use crate::apis::OptionalKind;

/// The spec of such a kind.
pub trait ForeignSpec {
    /// Which kind it is.
    const KIND: OptionalKind;
}

/// An object of such a kind.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Foreign<S> {
    api_version: String,
    kind: String,
    /// The object's metadata.
    pub metadata: ObjectMeta,
    /// What we say about it.
    pub spec: S,
}

impl<S: ForeignSpec> Foreign<S> {
    /// An object of the spec's kind.
    pub fn new(metadata: ObjectMeta, spec: S) -> Self {
        Self { api_version: S::KIND.api_version(), kind: S::KIND.kind.to_owned(), metadata, spec }
    }
}

impl<S: ForeignSpec> Resource for Foreign<S> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        S::KIND.kind.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        S::KIND.group.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        S::KIND.version.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        S::KIND.plural.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apis::HTTP_ROUTE;
    use serde_json::json;

    #[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
    struct Reel {
        tape: String,
    }

    impl ForeignSpec for Reel {
        const KIND: OptionalKind = HTTP_ROUTE;
    }

    #[test]
    fn an_object_says_its_kind_and_passes_over_what_it_does_not_know() {
        let reel = Foreign::new(ObjectMeta::default(), Reel { tape: "a".to_owned() });
        let written = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {},
            "spec": {"tape": "a"}});
        assert_eq!(serde_json::to_value(&reel).unwrap(), written);
        let mut live = written;
        live["spec"]["other"] = json!(1);
        live["status"] = json!({"parents": []});
        assert_eq!(serde_json::from_value::<Foreign<Reel>>(live).unwrap(), reel);
        assert_eq!(
            Foreign::<Reel>::url_path(&(), Some("reels")),
            "/apis/gateway.networking.k8s.io/v1/namespaces/reels/httproutes"
        );
    }
}
