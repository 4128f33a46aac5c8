//! Which core runs what: the servers have one of their own, and whoever asks them the other.

use anyhow::{Context as _, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Two cores of those that this process may use.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    pub server: usize,
    pub generator: usize,
}

impl Cores {
    /// Takes the first two, and puts this thread and all that it starts from now on on the generator's.
    pub fn take() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot ask for the cores")?;
        let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        let (first, second) = (cores.next(), cores.next());
        ensure!(second.is_some(), "the bench needs two cores: one for the server, one for its clients");
        let cores = Self { server: first.unwrap_or_default(), generator: second.unwrap_or_default() };
        pin(cores.generator)?;
        Ok(cores)
    }

    /// Does something, as to start a program, on the server's core: what is started stays there.
    pub fn on_server<T>(self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        pin(self.server)?;
        let done = work();
        pin(self.generator)?;
        done
    }
}

fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).with_context(|| format!("core {core}"))
}
