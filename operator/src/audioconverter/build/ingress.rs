//! The Ingress: a host name in front of the Service.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};

use super::service;
use crate::audioconverter::validate::ValidatedConverter;
use crate::names;

/// How long, in seconds, ingress-nginx waits for the next byte of either side. The converter has a time-out of its own,
/// which is shorter and says what happened.
const QUIET_SECONDS: u32 = 3600;
/// What a form adds to the file in it.
const FORM_OVERHEAD: u64 = 1 << 20;
/// The largest size that nginx can read.
const MOST_BYTES: u64 = i64::MAX.unsigned_abs();

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// There while it is asked for.
pub fn build(converter: &ValidatedConverter) -> Option<Ingress> {
    let wanted = converter.ingress.as_ref()?;
    let mut annotations = annotations(converter);
    annotations.extend(wanted.annotations.clone());
    let port = ServiceBackendPort { number: Some(converter.service.port), name: None };
    let service = IngressServiceBackend { name: service::name(converter), port: Some(port) };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend { service: Some(service), resource: None },
    };
    let tls = wanted
        .tls_secret_name
        .clone()
        .map(|secret| vec![IngressTLS { hosts: Some(vec![wanted.host.clone()]), secret_name: Some(secret) }]);
    Some(Ingress {
        metadata: super::meta_with(converter, name(converter), &BTreeMap::new(), &annotations),
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(wanted.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls,
            default_backend: None,
        }),
        status: None,
    })
}

/// What ingress-nginx must be told, lest it cut streams after a minute and refuse uploads above one MiB.
/// Source: <https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/>.
fn annotations(converter: &ValidatedConverter) -> BTreeMap<String, String> {
    let largest = converter.limits.max_upload_size.bytes().saturating_add(FORM_OVERHEAD).min(MOST_BYTES);
    let mut settings = vec![
        ("proxy-read-timeout", QUIET_SECONDS.to_string()),
        ("proxy-send-timeout", QUIET_SECONDS.to_string()),
        ("proxy-body-size", largest.to_string()),
        // Converting begins with the first byte, and answers may come before the last.
        ("proxy-request-buffering", "off".to_owned()),
    ];
    settings.extend(converter.tls.as_ref().map(|_| ("backend-protocol", "HTTPS".to_owned())));
    settings.into_iter().map(|(name, value)| (format!("nginx.ingress.kubernetes.io/{name}"), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::{Value, json};

    fn built(spec: &str) -> Value {
        serde_json::to_value(build(&fixtures::valid(spec)).unwrap()).unwrap()
    }

    #[test]
    fn it_leads_from_the_host_to_the_service() {
        let spec = "{service: {port: 8000}, ingress: {host: flac.example, className: inner, tlsSecretName: cert}}";
        let ingress = built(spec);
        let service = service::name(&fixtures::valid(spec));
        assert_eq!(
            ingress["spec"],
            json!({
                "ingressClassName": "inner",
                "rules": [{"host": "flac.example", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": service, "port": {"number": 8000}}}}]}}],
                "tls": [{"hosts": ["flac.example"], "secretName": "cert"}],
            })
        );
        assert!(built("ingress: {host: flac.example}")["spec"].get("tls").is_none());
    }

    #[test]
    fn streams_and_uploads_come_through_nginx() {
        let nginx = |spec: &str, name: &str| {
            built(spec)["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{name}")].clone()
        };
        let plain = "{ingress: {host: a.example}, limits: {maxUploadSize: 512Mi}}";
        for (name, value) in [
            ("proxy-read-timeout", json!("3600")),
            ("proxy-send-timeout", json!("3600")),
            ("proxy-body-size", json!((513_u64 << 20).to_string())),
            ("proxy-request-buffering", json!("off")),
            ("backend-protocol", Value::Null),
        ] {
            assert_eq!(nginx(plain, name), value, "{name}");
        }
        let tls = "{ingress: {host: a.example}, tls: {secretRef: {name: cert}}}";
        assert_eq!(nginx(tls, "backend-protocol"), "HTTPS");
        let vast = "{ingress: {host: a.example}, limits: {maxUploadSize: 9999999Ti}}";
        assert_eq!(nginx(vast, "proxy-body-size"), MOST_BYTES.to_string());
    }

    #[test]
    fn the_users_annotations_win() {
        let ingress = built(
            "ingress: {host: a.example, annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: '7', b: c}}",
        );
        let annotations = &ingress["metadata"]["annotations"];
        assert_eq!(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"], "7");
        assert_eq!(annotations["nginx.ingress.kubernetes.io/proxy-send-timeout"], "3600");
        assert_eq!(annotations["b"], "c");
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        assert_eq!(build(&fixtures::valid("{}")), None);
    }
}
