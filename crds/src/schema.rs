//! How types of Kubernetes itself enter our schemas.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// The name of an object, 253 bytes at most: a DNS subdomain (RFC 1123). Nothing has another, and the operator asks for none.
pub const NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// The name of a namespace, 63 bytes at most: a DNS label (RFC 1123).
pub const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// The schema of a core Kubernetes type without its inner descriptions.
///
/// The structure stays, so the apiserver validates and prunes as always; the prose goes, because `kubectl explain`
/// has it already under the core kind and it would take a CRD past the size that client-side apply can annotate.
pub fn core<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator).to_value();
    // A referenced definition would be inlined later, with its prose: resolve it here.
    inline(&mut schema, generator, 0);
    drop_descriptions(&mut schema);
    Schema::try_from(schema).unwrap_or_default()
}

/// The same, where `field` of it names an object.
pub fn core_naming<T: JsonSchema>(generator: &mut SchemaGenerator, field: &str) -> Schema {
    let mut schema = core::<T>(generator);
    if let Some(Value::Object(name)) = schema.pointer_mut(&format!("/properties/{field}")) {
        name.insert("pattern".to_owned(), NAME.into());
        name.insert("maxLength".to_owned(), 253.into());
    }
    schema
}

/// Replaces `$ref` by the definition it names. `depth` ends a recursive type, of which Kubernetes' pod parts have none.
fn inline(schema: &mut Value, generator: &SchemaGenerator, depth: u8) {
    if depth > 32 {
        return;
    }
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
                if let Some(definition) = generator.definitions().get(&name) {
                    *schema = definition.clone();
                    return inline(schema, generator, depth + 1);
                }
            }
            map.values_mut().for_each(|value| inline(value, generator, depth + 1));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| inline(value, generator, depth + 1)),
        _ => {}
    }
}

/// Takes every `description` keyword out, but no property that happens to have that name.
fn drop_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("description").is_some_and(Value::is_string) {
                map.remove("description");
            }
            map.values_mut().for_each(drop_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_descriptions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Affinity, PersistentVolumeClaimVolumeSource, Volume};

    fn core_json<T: JsonSchema>() -> String {
        let mut generator = SchemaGenerator::default();
        core::<T>(&mut generator).to_value().to_string()
    }

    #[test]
    fn keeps_the_structure_and_drops_the_prose() {
        let volume = core_json::<Volume>();
        assert!(volume.contains("persistentVolumeClaim"));
        assert!(volume.contains("claimName"));
        assert!(!volume.contains("\"description\":\""));
        assert!(!volume.contains("$ref"));
        assert!(core_json::<Affinity>().contains("nodeSelectorTerms"));
    }

    #[test]
    fn a_field_that_names_an_object_has_the_pattern_of_names() {
        let claim = core_naming::<PersistentVolumeClaimVolumeSource>(&mut SchemaGenerator::default(), "claimName");
        let name = claim.pointer("/properties/claimName").unwrap();
        assert_eq!((&name["pattern"], &name["maxLength"]), (&NAME.into(), &253.into()));
        assert_eq!(claim.pointer("/properties/readOnly/pattern"), None);
    }
}
