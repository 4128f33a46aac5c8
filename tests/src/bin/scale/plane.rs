//! etcd and an API server for one run, and what is asked of them beside the operator.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use e2e::cluster::{self, Layout};
use http::{Method, Request, header};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Args;
use crate::audit::{self, Level};
use crate::program::{Operator, processor_time};

/// The control plane's name among the local clusters.
const NAME: &str = "scale";
/// Namespace of everything.
pub const NAMESPACE: &str = "scale";
/// How we name ourselves to the API server: what bears this name is not counted as the operator's.
pub const USER_AGENT: &str = "flacship-scale";
/// How many converters are created at the same time.
const CREATORS: usize = 50;
/// When nothing but leases was asked for so long, all has been done.
const QUIET: Duration = Duration::from_secs(5);
/// Longest time until then.
const PATIENCE: Duration = Duration::from_mins(15);
/// What each converter has, as the paths of its lists.
const CHILDREN: [&str; 4] =
    ["apis/apps/v1/{}/deployments", "api/v1/{}/services", "api/v1/{}/serviceaccounts", "api/v1/{}/secrets"];

/// The path of the converters.
pub fn converters_path() -> String {
    format!("/apis/flacship.dev/v1alpha1/namespaces/{NAMESPACE}/audioconverters")
}

/// The name of a converter.
pub fn converter_name(number: usize) -> String {
    format!("converter-{number:05}")
}

/// A running control plane.
pub struct Plane {
    program: PathBuf,
    pub layout: Layout,
}

impl Plane {
    /// Starts one that holds the definitions of our kinds and a namespace.
    pub fn start(args: &Args, level: Level) -> Result<Self> {
        let plane = Self { program: args.cluster.clone(), layout: cluster::layout(NAME)? };
        plane.cluster(&["down"])?;
        let policy = args.folder.join("audit-policy.yaml");
        std::fs::write(&policy, audit::policy(level)).with_context(|| format!("write {}", policy.display()))?;
        let policy = policy.to_str().context("the folder's path is no UTF-8")?;
        plane.cluster(&["up", "--control-plane-only", "--audit-policy", policy])?;
        let crds = args.crds.to_str().context("the path of the definitions is no UTF-8")?;
        plane.kubectl(&["apply", "--server-side", "-k", crds])?;
        plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        plane.kubectl(&["create", "namespace", NAMESPACE])?;
        Ok(plane)
    }

    fn cluster(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new(&self.program)
            .args(["--name", NAME])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("run {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "cluster {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = vec!["exec", "--", "kubectl"];
        command.extend(arguments);
        self.cluster(&command)
    }

    /// Removes it.
    pub fn end(&self) -> Result<()> {
        self.cluster(&["down"])
    }

    /// Runs `work`, and all threads and processes that it starts, inside the control plane's network.
    pub fn inside<T: Send>(&self, work: impl FnOnce(&Runtime) -> Result<T> + Send) -> Result<T> {
        let work = || {
            cluster::enter_netns(&self.layout.netns)?;
            work(&Runtime::new()?)
        };
        std::thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    /// Processor time that etcd, the API server and we have used.
    pub fn processor_time(&self) -> Result<Duration> {
        let mut sum = processor_time(std::process::id())?;
        for record in cluster::process::records(&self.layout)? {
            if ["etcd", "kube-apiserver"].contains(&record.name.as_str()) {
                sum += processor_time(u32::try_from(record.pid)?)?;
            }
        }
        Ok(sum)
    }

    /// The audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// Copies the audit log to where it stays.
    pub fn keep_log(&self, to: &Path) -> Result<()> {
        std::fs::copy(self.audit_log(), to).with_context(|| format!("copy the audit log to {}", to.display()))?;
        Ok(())
    }

    /// A client of the control plane; it must be made inside its network.
    pub async fn client(&self) -> Result<Client> {
        let file = Kubeconfig::read_from(&self.layout.kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Creates `count` converters with an empty spec at once, and tells `created` of each as soon as it is there.
    pub async fn create_converters(&self, count: usize, created: impl Fn(Value)) -> Result<()> {
        let client = self.client().await?;
        let mut under_way = JoinSet::new();
        for number in 0..count {
            if under_way.len() >= CREATORS
                && let Some(done) = under_way.join_next().await
            {
                created(done??);
            }
            under_way.spawn(create_converter(client.clone(), converter_name(number)));
        }
        while let Some(done) = under_way.join_next().await {
            created(done??);
        }
        Ok(())
    }

    /// Waits until nothing was asked for some time, by the length of the audit log: lines about leases do not count.
    pub fn wait_for_quiet(&self, operator: &Operator) -> Result<()> {
        let mut log = BufReader::new(File::open(self.audit_log())?);
        let (start, mut last, mut line) = (Instant::now(), Instant::now(), Vec::new());
        while last.elapsed() < QUIET {
            operator.must_run()?;
            if start.elapsed() > PATIENCE {
                bail!("the operator is still at work after {} minutes", PATIENCE.as_secs() / 60);
            }
            while log.read_until(b'\n', &mut line)? > 0 {
                if line.ends_with(b"\n") {
                    if !audit::is_about_a_lease(&line) {
                        last = Instant::now();
                    }
                    line.clear();
                }
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(())
    }

    /// Fails unless each of `count` converters has its children and a status.
    pub async fn check_children(&self, count: usize) -> Result<()> {
        let client = self.client().await?;
        for path in CHILDREN {
            let path = format!("/{}?limit=1", path.replace("{}", &format!("namespaces/{NAMESPACE}")));
            let list = get(&client, &path).await?;
            let rest = list["metadata"]["remainingItemCount"].as_u64().unwrap_or_default();
            let here = list["items"].as_array().map_or(0, |items| items.len() as u64) + rest;
            ensure!(here == count as u64, "{here} objects in {path}, and {count} are expected");
        }
        let mut next = String::new();
        let mut told = 0;
        loop {
            let page = get(&client, &format!("{}?limit=500&continue={next}", converters_path())).await?;
            for converter in page["items"].as_array().into_iter().flatten() {
                let observed = &converter["status"]["observedGeneration"];
                ensure!(
                    *observed == converter["metadata"]["generation"],
                    "the status of {} is not up to date: {observed}",
                    converter["metadata"]["name"]
                );
                told += 1;
            }
            page["metadata"]["continue"].as_str().unwrap_or_default().clone_into(&mut next);
            if next.is_empty() {
                ensure!(told == count, "{told} converters, and {count} are expected");
                return Ok(());
            }
        }
    }
}

async fn create_converter(client: Client, name: String) -> Result<Value> {
    let converter = json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "AudioConverter", "metadata": { "name": name }, "spec": {},
    });
    let request = request(Method::POST, &converters_path(), "application/json", converter.to_string())?;
    Ok(serde_json::from_str(&client.request_text(request).await?)?)
}

async fn get(client: &Client, path: &str) -> Result<Value> {
    let answer = client.request_text(request(Method::GET, path, "application/json", String::new())?).await?;
    Ok(serde_json::from_str(&answer)?)
}

/// A request in our own name.
pub fn request(method: Method, uri: &str, content: &str, body: String) -> Result<Request<Vec<u8>>> {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, content)
        .header(header::ACCEPT, "application/json");
    Ok(request.body(body.into_bytes())?)
}
