//! containerd, kubelet, kube-proxy, metrics-server and the host's forwarder: how each is started, and the files they
//! read. Starts nothing itself.

use anyhow::Result;

use super::control_plane::{Parts, flag};
use super::forward::Rule;
use super::images::Names;
use super::process::{Network, Service};
use super::{DNS_IP, NODE_IP, NODE_NAME, PAGE_NODE_PORT, POD_CIDR, files, netns};

/// Where Debian puts the CNI plugins.
const CNI_PLUGINS: &str = "/usr/lib/cni";

pub fn containerd(parts: &Parts, images: &Names) -> Result<Service> {
    let layout = &parts.layout;
    let cni = files::fill(
        include_str!("../../cluster/cni.conflist"),
        &[
            ("NETWORK", &layout.cni_network()),
            ("BRIDGE", netns::POD_BRIDGE),
            ("POD_CIDR", POD_CIDR),
            ("DATA_DIR", &layout.state_text("cni/leases")),
        ],
    );
    files::write(&layout.state("cni/net.d/10-flacship.conflist"), &cni)?;
    let config = files::fill(
        include_str!("../../cluster/containerd.toml"),
        &[
            ("ROOT", &layout.state_text("containerd/root")),
            ("STATE", &layout.state_text("containerd/state")),
            ("RUNC_ROOT", &layout.state_text("containerd/runc")),
            ("SOCKET", &layout.containerd_socket()),
            ("PAUSE_IMAGE", &images.pause),
            ("CNI_PLUGINS", CNI_PLUGINS),
            ("CNI_CONFIG", &layout.state_text("cni/net.d")),
        ],
    );
    let path = layout.state("containerd/config.toml");
    files::write(&path, &config)?;
    Ok(Service {
        name: "containerd",
        argv: vec!["containerd".into(), "--config".into(), path.display().to_string()],
        reads: vec![config],
        network: Network::Cluster,
    })
}

pub fn kubelet(parts: &Parts) -> Result<Service> {
    let (layout, pki) = (&parts.layout, &parts.pki);
    // Pods with `dnsPolicy: Default` get this; nothing outside can be asked.
    files::write(&layout.state("kubelet-config/resolv.conf"), "")?;
    let config = files::fill(
        include_str!("../../cluster/kubelet.yaml"),
        &[
            ("NODE_IP", NODE_IP),
            ("DNS_IP", DNS_IP),
            ("CLIENT_CA", &pki.cert("ca")),
            ("CERT", &pki.cert("kubelet-server")),
            ("KEY", &pki.key("kubelet-server")),
            ("SOCKET", &layout.containerd_socket()),
            ("CGROUP", &layout.cgroup()),
            ("POD_LOGS", &layout.state_text("pod-logs")),
            ("VOLUME_PLUGINS", &layout.state_text("volume-plugins")),
            ("RESOLV_CONF", &layout.state_text("kubelet-config/resolv.conf")),
        ],
    );
    let path = layout.state("kubelet-config/config.yaml");
    files::write(&path, &config)?;
    let flags = vec![
        flag("config", path.display().to_string()),
        flag("kubeconfig", parts.kubeconfig("kubelet")),
        flag("hostname-override", NODE_NAME),
        flag("node-ip", NODE_IP),
        flag("root-dir", layout.state_text("kubelet")),
    ];
    Ok(parts.service("kubelet", flags, vec![config]))
}

pub fn kube_proxy(parts: &Parts) -> Result<Service> {
    let config = files::fill(
        include_str!("../../cluster/kube-proxy.yaml"),
        &[("NODE_NAME", NODE_NAME), ("POD_CIDR", POD_CIDR), ("KUBECONFIG", &parts.kubeconfig("kube-proxy"))],
    );
    let path = parts.layout.state("kube-proxy/config.yaml");
    files::write(&path, &config)?;
    let flags = vec![flag("config", path.display().to_string())];
    Ok(parts.service("kube-proxy", flags, vec![config]))
}

/// On the host like the other components, so that it needs no image; a Service without selector leads to it.
pub fn metrics_server(parts: &Parts) -> Service {
    let kubeconfig = parts.kubeconfig("metrics-server");
    let argv = vec![
        parts.binaries.tool("metrics-server").display().to_string(),
        flag("kubeconfig", &kubeconfig),
        flag("authentication-kubeconfig", &kubeconfig),
        flag("authorization-kubeconfig", &kubeconfig),
        flag("bind-address", NODE_IP),
        flag("secure-port", "4443"),
        flag("tls-cert-file", parts.pki.cert("metrics-server-server")),
        flag("tls-private-key-file", parts.pki.key("metrics-server-server")),
        flag("kubelet-certificate-authority", parts.pki.cert("ca")),
        flag("kubelet-preferred-address-types", "InternalIP"),
        // It panics unless the resolution is longer than the time-out.
        flag("metric-resolution", "10s"),
        flag("kubelet-request-timeout", "5s"),
    ];
    Service { name: "metrics-server", argv, reads: vec![], network: Network::Cluster }
}

/// The host's loopback ports.
pub fn forward(parts: &Parts) -> Result<Service> {
    // NodePorts of the nftables proxy answer on the node's address only.
    let rules = [
        Rule { port: parts.ports.api, target: format!("{NODE_IP}:{}", parts.ports.api).parse()? },
        Rule { port: parts.ports.page, target: format!("{NODE_IP}:{PAGE_NODE_PORT}").parse()? },
    ];
    let mut argv = vec!["/proc/self/exe".to_owned(), "forward".to_owned()];
    argv.extend(["--netns".to_owned(), parts.layout.netns.display().to_string()]);
    argv.extend(rules.iter().map(Rule::to_string));
    Ok(Service { name: "forward", argv, reads: vec![], network: Network::Host })
}
