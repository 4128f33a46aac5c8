//! Every bound in the schemas of both kinds is held by the apiserver, which says where it was broken and what it is.

use std::fs;

use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::harness::root;

/// A value that breaks a bound of the schema.
struct Break {
    /// Where, as the apiserver names it: `spec.items[0].port`.
    place: String,
    value: Value,
    /// What the apiserver says of such a value, beside the bound.
    said: &'static str,
    bound: String,
}

/// One part of the way to a field.
#[derive(Clone)]
enum Part {
    Field(String),
    Item,
    Key,
}

const KEY: &str = "any";

fn name(way: &[Part]) -> String {
    way.iter().fold("spec".to_owned(), |name, part| match part {
        Part::Field(field) => format!("{name}.{field}"),
        Part::Item => format!("{name}[0]"),
        Part::Key => format!("{name}.{KEY}"),
    })
}

/// `spec` with a value there, and what has to be around it.
fn with(mut spec: Value, way: &[Part], value: &Value) -> Value {
    let mut at = &mut spec;
    for part in way {
        at = match part {
            Part::Field(field) => &mut at[field],
            Part::Key => &mut at[KEY],
            Part::Item => {
                if !at.is_array() {
                    *at = json!([null]);
                }
                &mut at[0]
            }
        };
    }
    *at = value.clone();
    spec
}

/// What breaks each bound of one field.
fn breaks_of(schema: &Value, way: &[Part]) -> Vec<Break> {
    let mut found = Vec::new();
    let mut add = |value: Value, said: &'static str, bound: String| {
        found.push(Break { place: name(way), value, said, bound });
    };
    // The file has some of them as 1.0.
    let number = |bound: &str| -> Option<i64> { format!("{:.0}", schema[bound].as_f64()?).parse().ok() };
    if let Some(least) = number("minimum") {
        add(json!(least - 1), "should be greater than or equal to", least.to_string());
    }
    if let Some(most) = number("maximum") {
        add(json!(most + 1), "should be less than or equal to", most.to_string());
    }
    if let Some(most) = number("maxLength") {
        add(json!("a".repeat(usize::try_from(most).unwrap() + 1)), "may not be more than", most.to_string());
    }
    if let Some(least) = number("minLength").filter(|least| *least > 0) {
        add(json!("a".repeat(usize::try_from(least).unwrap() - 1)), "should be at least", least.to_string());
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        add(json!("!"), "should match", pattern.to_owned());
    }
    if let Some(words) = schema["enum"].as_array() {
        add(json!("!"), "supported values", words[0].as_str().unwrap().to_owned());
    }
    let item = || if schema["items"]["type"] == "string" { json!("a") } else { json!({}) };
    if let Some(most) = number("maxItems") {
        add(json!(vec![item(); usize::try_from(most).unwrap() + 1]), "must have at most", most.to_string());
    }
    if number("minItems") == Some(1) {
        add(json!([]), "should have at least", "1".to_owned());
    }
    found
}

/// What breaks each bound of this schema and of all below it.
fn all_breaks(schema: &Value, way: &mut Vec<Part>, take: &mut dyn FnMut(&[Part], Break)) {
    for broken in breaks_of(schema, way) {
        take(way, broken);
    }
    let mut below = |part: Part, schema: &Value| {
        way.push(part);
        all_breaks(schema, way, take);
        way.pop();
    };
    for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
        below(Part::Field(field.clone()), schema);
    }
    if schema["items"].is_object() {
        below(Part::Item, &schema["items"]);
    }
    if schema["additionalProperties"].is_object() {
        below(Part::Key, &schema["additionalProperties"]);
    }
}

#[tokio::test]
async fn every_bound_of_the_schemas_is_held_and_told() {
    let client = kube::Client::try_default().await.unwrap();
    let claim = json!({ "persistentVolumeClaim": { "claimName": "tapes" } });
    let mut count = 0;
    for (kind, plural, whole) in [
        ("AudioConverter", "audioconverters", json!({})),
        ("ConversionJob", "conversionjobs", json!({ "source": { "volume": claim } })),
    ] {
        let path = root().join(format!("config/crd/flacship.dev_{plural}.yaml"));
        let crd: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("flacship.dev", "v1alpha1", kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let object = |spec: Value| DynamicObject::new("bounds", &resource).data(json!({ "spec": spec }));
        api.create(&dry, &object(whole.clone())).await.expect("without a broken bound it is taken");

        let mut tries = Vec::new();
        all_breaks(schema, &mut Vec::new(), &mut |way, broken| {
            tries.push((with(whole.clone(), way, &broken.value), broken));
        });
        count += tries.len();
        for (spec, Break { place, value, said, bound }) in tries {
            let shown: String = value.to_string().chars().take(80).collect();
            let told = match api.create(&dry, &object(spec)).await {
                Err(kube::Error::Api(status)) => status.message.clone(),
                other => panic!("{kind} {place}: {shown} is taken: {other:?}"),
            };
            // All that is wrong is told at once: what is around a lone field may lack others.
            let of_it =
                told.split(&format!("{place}: ")).skip(1).any(|told| told.contains(said) && told.contains(&bound));
            assert!(of_it, "{kind} {place}: {shown} has to be {said} {bound:?}: {told}");
        }
    }
    assert!(count > 150, "the bounds are read from config/crd: {count}");
}
