//! The ServiceAccount that the pods run as. It has no rights and its token is not mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::audioconverter::validate::ValidatedConverter;
use crate::names;

/// The ServiceAccount that Kubernetes makes in every namespace.
const EVERYBODYS: &str = "default";

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    if converter.name == EVERYBODYS {
        return names::apart(EVERYBODYS, "", names::MAX_SUBDOMAIN);
    }
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// Always there, even if `podTemplate.serviceAccountName` names another: pods that run as ours must be replaceable
/// until the last of them is gone, and for ever if the other does not exist.
pub fn build(converter: &ValidatedConverter) -> ServiceAccount {
    ServiceAccount {
        metadata: super::meta(converter, name(converter)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;

    #[test]
    fn it_is_never_the_one_that_every_namespace_has() {
        let mut valid = fixtures::valid("{}");
        valid.name = "default".to_owned();
        let name = name(&valid);
        assert!(name.starts_with("default-"), "{name}");
        let pod = super::super::deployment::build(&valid, 1).spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.service_account_name, Some(name));
    }

    #[test]
    fn its_token_is_not_mounted() {
        for spec in ["{}", "podTemplate: {serviceAccountName: reader}"] {
            let account = build(&fixtures::valid(spec));
            assert_eq!(account.metadata.name.as_deref(), Some("tape.archive-9"));
            assert_eq!(account.automount_service_account_token, Some(false));
        }
    }
}
