//! What runs on top: CoreDNS and metrics-server as the API server knows them, and when the cluster counts as up.

use std::time::Duration;

use anyhow::Result;

use super::control_plane::Parts;
use super::images::Names;
use super::kubectl::{condition, object, run};
use super::layout::Layout;
use super::progress::{Progress, wait_for};
use super::{DNS_IP, NODE_IP, NODE_NAME, files, process};

const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);

/// Applies the manifests; what is there already stays.
pub fn apply(parts: &Parts, images: &Names) -> Result<()> {
    let dns =
        files::fill(include_str!("../../cluster/coredns.yaml"), &[("IMAGE", &images.coredns), ("DNS_IP", DNS_IP)]);
    let metrics = files::fill(
        include_str!("../../cluster/metrics-server.yaml"),
        &[("NODE_IP", NODE_IP), ("CA", &parts.pki.authority_base64()?)],
    );
    let manifests = format!("{dns}---\n{metrics}");
    let arguments = ["apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-"];
    run(&parts.layout, &arguments, &manifests).map(drop)
}

/// Renewed by a living kubelet only: unlike the node's condition it cannot be left over from an earlier one.
pub fn node_lease(layout: &Layout) -> Option<String> {
    let lease = object(layout, &format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE_NAME}"))?;
    lease["spec"]["renewTime"].as_str().map(str::to_owned)
}

/// Waits until the node is Ready and its lease is another than `lease_before`.
pub fn wait_for_node(layout: &Layout, lease_before: Option<&str>, progress: &Progress) -> Result<()> {
    wait_for("node Ready", PATIENCE, PAUSE, || {
        process::must_run(layout, "kubelet")?;
        let ready = object(layout, &format!("/api/v1/nodes/{NODE_NAME}")).is_some_and(|node| condition(&node, "Ready"));
        Ok(ready && (lease_before.is_none() || node_lease(layout).as_deref() != lease_before))
    })?;
    progress.step("node Ready");
    Ok(())
}

/// Waits until pods can be created, names resolve and the metrics API answers.
pub fn wait_for_rest(layout: &Layout, progress: &Progress) -> Result<()> {
    wait_for("default ServiceAccount", PATIENCE, PAUSE, || {
        process::must_run(layout, "kube-controller-manager")?;
        Ok(object(layout, "/api/v1/namespaces/default/serviceaccounts/default").is_some())
    })?;
    progress.step("default ServiceAccount there");
    wait_for("CoreDNS", PATIENCE, PAUSE, || {
        process::must_run(layout, "kube-scheduler")?;
        process::must_run(layout, "kube-proxy")?;
        let deployment = object(layout, "/apis/apps/v1/namespaces/kube-system/deployments/coredns");
        Ok(deployment.is_some_and(|it| it["status"]["availableReplicas"].as_u64() >= Some(1)))
    })?;
    progress.step("CoreDNS available");
    wait_for("metrics API", PATIENCE, PAUSE, || {
        process::must_run(layout, "metrics-server")?;
        let service = object(layout, "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io");
        Ok(service.is_some_and(|it| condition(&it, "Available")))
    })?;
    progress.step("metrics API available");
    Ok(())
}
