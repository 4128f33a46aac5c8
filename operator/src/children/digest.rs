//! What is remembered of a child beside its version: what the status step reads, as one short JSON text, and the way back
//! to an object.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Fields of `spec` that a status is made of: the node port that the apiserver chose, the count that runs.
const KEPT_OF_SPEC: [&str; 2] = ["ports", "replicas"];

/// What to remember of `live`: its generation, its status and a little of its spec; nothing if it has none of these.
pub fn digest(live: &Value) -> Option<Box<str>> {
    let mut kept = Map::new();
    if let Some(generation) = live.pointer("/metadata/generation") {
        kept.insert("metadata".to_owned(), json!({ "generation": generation }));
    }
    if let Some(Value::Object(spec)) = live.get("spec") {
        let fields = KEPT_OF_SPEC.into_iter().filter_map(|field| Some((field.to_owned(), spec.get(field)?.clone())));
        insert(&mut kept, "spec", fields.collect());
    }
    if let Some(Value::Object(status)) = live.get("status") {
        let told = status.iter().filter(|(_, value)| value.as_object().is_none_or(|map| !map.is_empty()));
        insert(&mut kept, "status", told.map(|(field, value)| (field.clone(), value.clone())).collect());
    }
    (!kept.is_empty()).then(|| Value::Object(kept).to_string().into_boxed_str())
}

fn insert(kept: &mut Map<String, Value>, field: &str, value: Map<String, Value>) {
    if !value.is_empty() {
        kept.insert(field.to_owned(), Value::Object(value));
    }
}

/// The object of which `digest` was remembered, as far as it goes.
pub fn recall<K>(namespace: &str, name: &str, digest: Option<&str>) -> Option<K>
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut object: Value = digest.map_or_else(|| Some(json!({})), |digest| serde_json::from_str(digest).ok())?;
    let fields = object.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), json!(K::api_version(&())));
    fields.insert("kind".to_owned(), json!(K::kind(&())));
    let meta = fields.entry("metadata").or_insert_with(|| json!({})).as_object_mut()?;
    meta.insert("namespace".to_owned(), json!(namespace));
    meta.insert("name".to_owned(), json!(name));
    serde_json::from_value(object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::conditions::Rollout;
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::{Service, ServiceAccount};

    fn round<K>(yaml: &str) -> (K, K)
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + serde::Serialize,
    {
        let live: K = serde_yaml::from_str(yaml).unwrap();
        let kept = digest(&serde_json::to_value(&live).unwrap());
        let again = recall("attic", "tape", kept.as_deref()).unwrap();
        (live, again)
    }

    #[test]
    fn a_deployment_says_how_it_stands() {
        let (live, again) = round::<Deployment>(
            "{metadata: {name: tape, namespace: attic, generation: 4, labels: {a: b}},
              spec: {replicas: 3, selector: {matchLabels: {a: b}}, template: {}},
              status: {observedGeneration: 4, replicas: 3, updatedReplicas: 2, readyReplicas: 1, conditions: [
                {type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: too slow}]}}",
        );
        assert_eq!(Rollout::from(&again), Rollout::from(&live));
        assert_eq!(again.metadata.generation, Some(4));
        assert_eq!(again.metadata.labels, None);
        let spec = again.spec.unwrap();
        assert_eq!((spec.replicas, spec.template.spec), (Some(3), None));
    }

    #[test]
    fn a_service_says_its_ports_and_its_balancer() {
        let (live, again) = round::<Service>(
            "{metadata: {name: tape, namespace: attic}, spec: {type: NodePort, clusterIP: 10.0.0.1,
              ports: [{name: http, port: 80, nodePort: 30080}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.7}]}}}",
        );
        assert_eq!(again.spec.unwrap().ports, live.spec.unwrap().ports);
        assert_eq!(again.status, live.status);
        assert_eq!(again.metadata.namespace.as_deref(), Some("attic"));
    }

    #[test]
    fn nothing_is_kept_of_what_says_nothing() {
        let account: ServiceAccount = serde_yaml::from_str("{metadata: {name: tape, labels: {a: b}}}").unwrap();
        assert_eq!(digest(&serde_json::to_value(&account).unwrap()), None);
        let again: ServiceAccount = recall("attic", "tape", None).unwrap();
        assert_eq!(again.metadata.name.as_deref(), Some("tape"));
        assert_eq!(digest(&json!({"status": {"loadBalancer": {}}})), None);
        assert!(recall::<ServiceAccount>("attic", "tape", Some("no JSON")).is_none());
    }
}
