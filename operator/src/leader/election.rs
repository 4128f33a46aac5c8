//! Keeping the Lease: taking it, renewing it, giving it back.
//!
//! Every write is an update with the resource version that was read (the apiserver refuses it if anybody wrote in
//! between), so of several candidates one wins, and nobody renews or releases what is another's by now.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::plan::{self, LeasePlan, plan_lease};
use super::{Gate, Moment};
use crate::errors::{CONFLICT, NOT_FOUND, describe, kube_code};

/// How often one round may find the Lease changed under its hands.
const LOOKS: u32 = 3;
/// Longest time that giving the Lease back may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// What an election is about.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Lease's name.
    pub name: String,
    /// Who we are: another text for each process.
    pub identity: String,
    /// How long the others leave a Lease alone that is not renewed.
    pub duration: Duration,
    /// How long writes may begin after the last renewal was; shorter than `duration`.
    pub renew_deadline: Duration,
    /// How often the Lease is renewed, and looked at by those who stand by.
    pub retry_period: Duration,
}

impl Settings {
    /// Says what is wrong with the times, if anything is.
    pub fn check(&self) -> Result<(), String> {
        let Self { duration, renew_deadline, retry_period, .. } = self;
        if *duration < Duration::from_secs(1) {
            return Err(format!("a lease of {duration:?} is too short: it counts whole seconds"));
        }
        if renew_deadline >= duration {
            return Err(format!(
                "the renew deadline ({renew_deadline:?}) must be shorter than the lease's duration ({duration:?}): \
                 else two operators could write at once"
            ));
        }
        if retry_period.is_zero() || retry_period.saturating_mul(2) > *renew_deadline {
            return Err(format!(
                "the retry period ({retry_period:?}) must be above zero and at most half the renew deadline \
                 ({renew_deadline:?}): else one failed renewal ends the leadership"
            ));
        }
        Ok(())
    }
}

/// A candidate.
pub struct Election {
    api: Api<Lease>,
    settings: Settings,
    gate: Gate,
    seen: Option<Seen>,
    said: Option<Said>,
}

/// The Lease as it was read or written last.
struct Seen {
    lease: Lease,
    /// Since when it is known to stand like this.
    since: Moment,
}

/// What the log says of us.
#[derive(PartialEq, Eq)]
enum Said {
    Leading,
    Following(String),
    Troubled,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// The Lease is ours.
    Leading,
    /// It is another's, for so long at least.
    Following { holder: String, rest: Duration },
}

impl Election {
    /// A candidate that opens `gate` while it leads. The client of `api` must not ask that gate.
    pub fn new(api: Api<Lease>, settings: Settings, gate: Gate) -> Self {
        Self { api, settings, gate, seen: None, said: None }
    }

    /// Stands for election until `stop`, then gives the Lease back, so that another can lead at once. Stop it only when
    /// no write is under way.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = self.round().await;
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        self.release().await;
    }

    /// One round, and how long to wait before the next.
    async fn round(&mut self) -> Duration {
        let Settings { renew_deadline, retry_period, .. } = self.settings;
        // The right to write counts from here, before anything is sent: whoever sees this renewal sees it later.
        let begun = self.gate.now();
        // Half the deadline, so that a request that hangs leaves time for another.
        let outcome = match timeout(renew_deadline / 2, self.step()).await {
            Ok(Ok(standing)) => Ok(standing),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err("no answer in time".to_owned()),
        };
        match outcome {
            Ok(Standing::Leading) => {
                self.gate.hold(begun, renew_deadline);
                self.say(Said::Leading, "");
                retry_period
            }
            Ok(Standing::Following { holder, rest }) => {
                self.gate.close();
                self.say(Said::Following(holder), "");
                retry_period.min(rest)
            }
            Err(error) => {
                // A renewal may have been written all the same. How long another's Lease has stood still is not forgotten:
                // one look that fails would give it a whole term more.
                if self.leads_by_what_was_seen() {
                    self.seen = None;
                }
                if self.gate.is_held() {
                    tracing::warn!("The lease could not be renewed, and is tried again: {error}");
                } else {
                    self.say(Said::Troubled, &error);
                }
                retry_period
            }
        }
    }

    async fn step(&mut self) -> Result<Standing, kube::Error> {
        let mut looks = 0;
        // A holder writes over what it wrote last; everybody else looks first.
        if !self.leads_by_what_was_seen() {
            self.look().await?;
        }
        loop {
            let now = self.gate.now();
            let (me, duration) = (self.settings.identity.as_str(), self.settings.duration);
            let live = self.seen.as_ref().map(Seen::spec);
            let stood = self.seen.as_ref().map(|seen| seen.since.at_least(now)).unwrap_or_default();
            if let (LeasePlan::Wait(rest), Some(live)) = (plan_lease(me, live.as_ref(), stood, duration), &live) {
                let holder = plan::holder(live).unwrap_or_default().to_owned();
                return Ok(Standing::Following { holder, rest });
            }
            match self.write(plan::held(me, live.as_ref(), Timestamp::now(), duration)).await {
                Ok(()) => return Ok(Standing::Leading),
                Err(error) if matches!(kube_code(&error), Some(CONFLICT | NOT_FOUND)) && looks < LOOKS => {
                    looks += 1;
                    self.look().await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn leads_by_what_was_seen(&self) -> bool {
        self.seen.as_ref().and_then(Seen::holder) == Some(self.settings.identity.as_str())
    }

    /// Reads the Lease.
    async fn look(&mut self) -> Result<(), kube::Error> {
        let live = self.api.get_opt(&self.settings.name).await?;
        // After the answer: counted from earlier, another's Lease would run out too soon.
        let since = self.gate.now();
        let same = |seen: &Seen, live: &Lease| {
            (seen.lease.uid(), seen.lease.resource_version()) == (live.uid(), live.resource_version())
        };
        self.seen = match (self.seen.take(), live) {
            (Some(seen), Some(live)) if same(&seen, &live) => Some(seen),
            (_, Some(lease)) => Some(Seen { lease, since }),
            (_, None) => None,
        };
        Ok(())
    }

    /// Writes `spec` over the Lease as it was seen, or makes one.
    async fn write(&mut self, spec: LeaseSpec) -> Result<(), kube::Error> {
        let (name, params) = (&self.settings.name, PostParams::default());
        let lease = if let Some(Seen { lease, .. }) = &self.seen {
            let lease = Lease { spec: Some(spec), ..lease.clone() };
            self.api.replace(name, &params, &lease).await?
        } else {
            let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
            self.api.create(&params, &Lease { metadata, spec: Some(spec) }).await?
        };
        self.seen = Some(Seen { lease, since: self.gate.now() });
        Ok(())
    }

    async fn release(mut self) {
        self.gate.close();
        let Some(seen) = self.seen.as_ref().filter(|_| self.leads_by_what_was_seen()) else { return };
        let spec = plan::released(&seen.spec(), Timestamp::now());
        match timeout(RELEASE_TIMEOUT, self.write(spec)).await {
            Ok(Ok(())) => tracing::info!("The lease is given back: another operator may lead at once"),
            Ok(Err(error)) => tracing::warn!("The lease could not be given back: {}", describe(&error)),
            Err(_) => tracing::warn!("The lease could not be given back: no answer in time"),
        }
    }

    /// Logs where we stand, when that changes.
    fn say(&mut self, now: Said, error: &str) {
        if self.said.as_ref() == Some(&now) {
            return;
        }
        let (lease, me) = (&self.settings.name, &self.settings.identity);
        let led = self.said == Some(Said::Leading);
        match &now {
            Said::Leading => tracing::info!(lease, me, "Leading: this operator writes"),
            Said::Following(holder) if led => {
                tracing::error!(
                    lease,
                    me,
                    holder,
                    "No longer leading: another operator has the lease; nothing is written"
                );
            }
            Said::Following(holder) => tracing::info!(lease, me, holder, "Standing by: another operator writes"),
            Said::Troubled if led => tracing::error!(
                lease,
                me,
                "No longer leading: the lease could not be renewed in time; nothing is written until it is: {error}"
            ),
            Said::Troubled => tracing::warn!(lease, me, "Standing by: the lease cannot be had: {error}"),
        }
        self.said = Some(now);
    }
}

impl Seen {
    fn spec(&self) -> LeaseSpec {
        self.lease.spec.clone().unwrap_or_default()
    }

    fn holder(&self) -> Option<&str> {
        self.lease.spec.as_ref().and_then(plan::holder)
    }
}

#[cfg(test)]
mod tests;
