//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler: how each is started. Starts nothing itself.

use super::binaries::Binaries;
use super::layout::Layout;
use super::pki::Pki;
use super::ports::Ports;
use super::process::{Network, Service};
use super::{NODE_IP, POD_CIDR, SERVICE_CIDR};

/// Plain http: the namespace's loopback is the wall.
pub const ETCD: &str = "127.0.0.1:2379";

/// The audit policy, below the state folder.
pub const AUDIT_POLICY: &str = "audit-policy.yaml";

/// All that the processes' flags are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Paths.
    pub layout: Layout,
    /// Programs.
    pub binaries: Binaries,
    /// Certificates.
    pub pki: Pki,
    /// Loopback ports.
    pub ports: Ports,
    /// What goes into the audit log, if there is to be one.
    pub audit_policy: Option<String>,
}

impl Parts {
    /// A component that runs inside the namespace.
    pub fn service(&self, name: &'static str, flags: Vec<String>, reads: Vec<String>) -> Service {
        let mut argv = vec![self.binaries.kubernetes(name)];
        argv.extend(flags);
        Service { name, argv, reads, network: Network::Cluster }
    }

    /// Path of a component's kubeconfig.
    pub fn kubeconfig(&self, client: &str) -> String {
        self.layout.state_text(&format!("kubeconfigs/{client}"))
    }
}

pub fn etcd(parts: &Parts) -> Service {
    let peer = "http://127.0.0.1:2380";
    let flags = vec![
        flag("name", "flacship"),
        flag("data-dir", parts.layout.state_text("etcd")),
        flag("listen-client-urls", format!("http://{ETCD}")),
        flag("advertise-client-urls", format!("http://{ETCD}")),
        flag("listen-peer-urls", peer),
        flag("initial-advertise-peer-urls", peer),
        flag("initial-cluster", format!("flacship={peer}")),
        flag("log-level", "warn"),
        // A machine that crashes loses the cluster; a killed process does not.
        "--unsafe-no-fsync".to_owned(),
    ];
    parts.service("etcd", flags, vec![])
}

pub fn api_server(parts: &Parts) -> Service {
    let pki = &parts.pki;
    let mut flags = vec![
        flag("advertise-address", NODE_IP),
        flag("bind-address", "0.0.0.0"),
        flag("secure-port", parts.ports.api.to_string()),
        flag("etcd-servers", format!("http://{ETCD}")),
        flag("service-cluster-ip-range", SERVICE_CIDR),
        flag("allow-privileged", "true"),
        flag("authorization-mode", "Node,RBAC"),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("client-ca-file", pki.cert("ca")),
        flag("tls-cert-file", pki.cert("apiserver")),
        flag("tls-private-key-file", pki.key("apiserver")),
        flag("kubelet-certificate-authority", pki.cert("ca")),
        flag("kubelet-client-certificate", pki.cert("apiserver-kubelet-client")),
        flag("kubelet-client-key", pki.key("apiserver-kubelet-client")),
        flag("kubelet-preferred-address-types", "InternalIP"),
        flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
        flag("service-account-key-file", pki.service_account_public()),
        flag("service-account-signing-key-file", pki.key("service-account")),
        flag("requestheader-client-ca-file", pki.cert("front-proxy-ca")),
        flag("requestheader-allowed-names", "front-proxy-client"),
        flag("requestheader-username-headers", "X-Remote-User"),
        flag("requestheader-group-headers", "X-Remote-Group"),
        flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        flag("proxy-client-cert-file", pki.cert("front-proxy-client")),
        flag("proxy-client-key-file", pki.key("front-proxy-client")),
        flag("profiling", "false"),
    ];
    if parts.audit_policy.is_some() {
        flags.extend([
            flag("audit-policy-file", parts.layout.state_text(AUDIT_POLICY)),
            flag("audit-log-path", parts.layout.audit_log().display().to_string()),
            // In megabytes. One file, ever: whoever counts in it must miss nothing.
            flag("audit-log-maxsize", "1000000"),
        ]);
    }
    parts.service("kube-apiserver", flags, parts.audit_policy.iter().cloned().collect())
}

pub fn controller_manager(parts: &Parts) -> Service {
    let pki = &parts.pki;
    let mut flags = client_flags(&parts.kubeconfig("controller-manager"));
    flags.extend([
        "--use-service-account-credentials".to_owned(),
        flag("root-ca-file", pki.cert("ca")),
        flag("service-account-private-key-file", pki.key("service-account")),
        flag("cluster-signing-cert-file", pki.cert("ca")),
        flag("cluster-signing-key-file", pki.key("ca")),
        flag("cluster-cidr", POD_CIDR),
        flag("flex-volume-plugin-dir", parts.layout.state_text("volume-plugins")),
        // A hostPath claim binds at the next period: 15 s by default.
        flag("pvclaimbinder-sync-period", "1s"),
        // A test sees an autoscaler act within seconds; the defaults are 15 s, 30 s, 5 min, 5 min.
        flag("horizontal-pod-autoscaler-sync-period", "5s"),
        flag("horizontal-pod-autoscaler-initial-readiness-delay", "5s"),
        flag("horizontal-pod-autoscaler-cpu-initialization-period", "15s"),
        flag("horizontal-pod-autoscaler-downscale-stabilization", "20s"),
    ]);
    parts.service("kube-controller-manager", flags, vec![])
}

pub fn scheduler(parts: &Parts) -> Service {
    parts.service("kube-scheduler", client_flags(&parts.kubeconfig("scheduler")), vec![])
}

fn client_flags(kubeconfig: &str) -> Vec<String> {
    vec![
        flag("kubeconfig", kubeconfig),
        flag("authentication-kubeconfig", kubeconfig),
        flag("authorization-kubeconfig", kubeconfig),
        flag("bind-address", "127.0.0.1"),
        flag("leader-elect", "false"),
        flag("profiling", "false"),
    ]
}

/// `--name=value`.
pub fn flag(name: &str, value: impl AsRef<str>) -> String {
    format!("--{name}={}", value.as_ref())
}
