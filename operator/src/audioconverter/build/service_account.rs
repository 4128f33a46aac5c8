//! The ServiceAccount that the pods run as. It has no rights and its token is not mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::audioconverter::validate::ValidatedConverter;
use crate::names;

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
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
    fn its_token_is_not_mounted() {
        for spec in ["{}", "podTemplate: {serviceAccountName: reader}"] {
            let account = build(&fixtures::valid(spec));
            assert_eq!(account.metadata.name.as_deref(), Some("tape.archive-9"));
            assert_eq!(account.automount_service_account_token, Some(false));
        }
    }
}
