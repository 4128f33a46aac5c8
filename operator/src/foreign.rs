//! Kinds of other projects that we write and Kubernetes' own types lack: types for what we set, and no more.
//!
//! What comes back from the cluster is taken as it is, as plain JSON: somebody may have edited it into something that our
//! types do not know, and that is to be healed and not to be an error.

use std::borrow::Cow;
use std::marker::PhantomData;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::apis::OptionalKind;

/// What we set of the spec of such a kind.
pub trait ForeignSpec: Serialize {
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
    /// The object's spec.
    #[serde(default)]
    pub spec: Value,
    #[serde(skip)]
    kind_of: PhantomData<fn() -> S>,
}

impl<S: ForeignSpec> Foreign<S> {
    /// An object of the spec's kind.
    pub fn new(metadata: ObjectMeta, spec: &S) -> Self {
        Self {
            api_version: S::KIND.api_version(),
            kind: S::KIND.kind.to_owned(),
            metadata,
            // Structs of texts and numbers always have a JSON.
            spec: serde_json::to_value(spec).unwrap_or_default(),
            kind_of: PhantomData,
        }
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

    #[derive(Serialize, Clone, Debug, PartialEq)]
    struct Reel {
        tape: String,
    }

    impl ForeignSpec for Reel {
        const KIND: OptionalKind = HTTP_ROUTE;
    }

    #[test]
    fn an_object_says_its_kind_and_what_is_set() {
        let reel = Foreign::new(ObjectMeta::default(), &Reel { tape: "a".to_owned() });
        let written = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {},
            "spec": {"tape": "a"}});
        assert_eq!(serde_json::to_value(&reel).unwrap(), written);
        assert_eq!(
            Foreign::<Reel>::url_path(&(), Some("reels")),
            "/apis/gateway.networking.k8s.io/v1/namespaces/reels/httproutes"
        );
    }

    #[test]
    fn what_somebody_made_of_it_is_read_all_the_same() {
        for spec in [json!({"tape": 7}), json!({}), json!({"other": [1]})] {
            let live = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": "x"}, "spec": spec, "status": {"parents": []}});
            let read: Foreign<Reel> = serde_json::from_value(live).unwrap();
            assert_eq!(read.spec, spec);
        }
    }
}
