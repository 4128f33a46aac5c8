//! The ServiceAccount that the pods run as. It has no rights and its token is not mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::audioconverter::validate::ValidatedConverter;
use crate::names;

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// None if the user names another one in `podTemplate.serviceAccountName`.
pub fn build(converter: &ValidatedConverter) -> Option<ServiceAccount> {
    if converter.pod_template.as_ref().is_some_and(|template| template.service_account_name.is_some()) {
        return None;
    }
    Some(ServiceAccount {
        metadata: super::meta(converter, name(converter)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;

    #[test]
    fn its_token_is_not_mounted() {
        let account = build(&fixtures::valid("{}")).unwrap();
        assert_eq!(account.metadata.name.as_deref(), Some("tape.archive-9"));
        assert_eq!(account.automount_service_account_token, Some(false));
    }

    #[test]
    fn a_named_one_takes_its_place() {
        assert_eq!(build(&fixtures::valid("podTemplate: {serviceAccountName: reader}")), None);
    }
}
