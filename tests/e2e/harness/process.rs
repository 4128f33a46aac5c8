//! An operator of a test's own: the binary of the image that `make up` has built, as a process of this machine behind a
//! [`Proxy`].

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::artifacts;
use super::proxy::Proxy;

/// A running operator; dropping it kills it.
pub struct Process {
    child: Child,
    pid: i32,
    log: PathBuf,
    _folder: TempDir,
}

impl Process {
    /// Starts it with these arguments after `run`. What it logs is appended to `<name>.log` among the artifacts.
    pub fn start(name: &str, proxy: &Proxy, arguments: &[String]) -> Self {
        Self::start_with(&artifacts::file(&format!("{name}.log")), proxy, arguments)
    }

    fn start_with(file: &Path, proxy: &Proxy, arguments: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, proxy.kubeconfig()).expect("write the kubeconfig");
        let log = OpenOptions::new().create(true).append(true).open(file).expect("open the log");
        let child = Command::new(super::shipped("operator"))
            .args(["run", "--listen", "127.0.0.1:0", "--converter-image", &super::operator::converter_image()])
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("duplicate the log"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("run the operator that `make up` has built");
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).expect("a process that runs has a pid");
        proxy.aim(pid);
        Self { child, pid, log: file.to_owned(), _folder: folder }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("read the log")
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).expect("the process is ours and not waited for");
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.expect("wait for the operator")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("look at the operator").is_none()
    }
}

/// An operator that is started again whenever its proxy has killed it, by no rules then.
pub struct Kept {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    told: Arc<Mutex<Told>>,
    log: PathBuf,
}

#[derive(Default)]
struct Told {
    kills: usize,
    trouble: Option<String>,
}

impl Kept {
    /// Starts it. What it logs is appended to `<name>.log` among the artifacts, and goes when it is stopped.
    pub fn start(name: &str, proxy: &Arc<Proxy>, arguments: Vec<String>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let told = Arc::new(Mutex::new(Told::default()));
        // Named after the thread of the test, which the keeper's is not.
        let log = artifacts::file(&format!("{name}.log"));
        let process = Process::start_with(&log, proxy, &arguments);
        let task = tokio::spawn(keep(Arc::clone(proxy), log.clone(), arguments, process, stopped, Arc::clone(&told)));
        Self { stop: Some(stop), task, told, log }
    }

    /// How often it was killed; panics if it has ended otherwise.
    pub fn kills(&self) -> usize {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(told.trouble.is_none(), "{}", told.trouble.as_deref().unwrap_or_default());
        told.kills
    }

    /// Ends it and waits for its end; nobody will look at its log.
    pub async fn stop(mut self) {
        self.stop.take().map(|stop| stop.send(()));
        (&mut self.task).await.expect("the keeper ends");
        fs::remove_file(&self.log).expect("remove the log");
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    proxy: Arc<Proxy>,
    log: PathBuf,
    arguments: Vec<String>,
    mut process: Process,
    mut stopped: oneshot::Receiver<()>,
    told: Arc<Mutex<Told>>,
) {
    loop {
        let status = tokio::select! {
            _ = &mut stopped => {
                process.signal(Signal::SIGKILL);
                process.ended().await;
                return;
            }
            status = process.ended() => status,
        };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if status.signal() != Some(Signal::SIGKILL as i32) {
            told.trouble = Some(format!("the operator ended by itself: {status}"));
            return;
        }
        told.kills += 1;
        proxy.obey(Vec::new());
        process = Process::start_with(&log, &proxy, &arguments);
    }
}
