//! After the children are applied: the pods are looked at, the count follows the streams, and what is known goes into the
//! status.
//!
//! A converter with `autoscaling.streams` is looked at every `--load-interval`. The pods of others are asked for the status
//! alone, every `--status-interval` while any is ready; a converter that rests without pods is not looked at.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crds::AudioConverter;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;

use super::condition::{self, Told};
use super::load::ALTOGETHER;
use super::memory::Figures;
use super::plan::{Cause, Decision, Observed, Verdict, Wish, demand, plan_need, plan_scale};
use super::pods::PodView;
use super::{Scaler, marks, wish};
use crate::audioconverter::apply;
use crate::audioconverter::conditions::Rollout;
use crate::audioconverter::validate::ValidatedConverter;
use crate::conditions::now as now_of_status;
use crate::context::Context;
use crate::errors::{CONFLICT, CallError};
use crate::events::{Note, SCALE};
use crate::metrics::Direction;

/// Looks come no closer than this, whatever wakes the converter.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// When figures are written that had to wait.
const TELL_LATER: Duration = Duration::from_secs(10);

/// What came of it, for the status.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// Streams over all pods.
    pub figures: Figures,
    /// `ScalingActive`, where the count follows the streams.
    pub condition: Option<Told>,
    /// When and why the count was last changed for the streams, or is about to be.
    pub last_scale: Option<(Time, String)>,
    /// Another count, to be written once the status says why: see [`Scaler::carry_out`].
    pub decision: Option<Decision>,
    /// When to look again, if not only when something changes.
    pub again: Option<Duration>,
}

impl Scaler {
    /// Whether [`Scaler::follow`] has a use for the pods now. Where no pod exists there is none to ask; the first that comes
    /// shows in the Deployment.
    pub fn wants_pods(&self, converter: &AudioConverter, valid: &ValidatedConverter, rollout: &Rollout) -> bool {
        let wish = wish(converter, valid);
        let untold = self.remembered(converter, |memory| memory.is_untold());
        rollout.replicas > 0 && (wish.is_some() || untold || self.is_due(converter, wish.as_ref(), rollout))
    }

    /// Whether it is time to ask the pods.
    fn is_due(&self, converter: &AudioConverter, wish: Option<&Wish>, rollout: &Rollout) -> bool {
        let looked = self.remembered(converter, |memory| memory.looked);
        let after = |pause| looked.is_none_or(|(looked, _)| looked.elapsed() >= pause);
        if wish.is_some() {
            return after(BETWEEN_LOOKS);
        }
        // A pod that has come or gone is in the status at once, so that it rests afterwards.
        let others = looked.is_some_and(|(_, ready)| ready != rollout.ready);
        rollout.ready > 0 && (others || after(self.settings.status_interval))
    }

    /// Asks the `pods` of `converter`, whose Deployment stands as `rollout`, how full they are, if they were listed and it is
    /// time; and lets `spec.replicas`, now `count`, follow their streams if the spec asks for it.
    pub async fn follow(
        &self,
        ctx: &Context,
        converter: &AudioConverter,
        valid: &ValidatedConverter,
        rollout: Option<&Rollout>,
        count: i32,
        pods: Option<&[Pod]>,
    ) -> Result<Followed, CallError> {
        let now = Instant::now();
        let wish = wish(converter, valid);
        let nothing = Rollout::default();
        let is_made = rollout.is_some();
        let rollout = rollout.unwrap_or(&nothing);
        let mut followed = Followed { again: self.again(wish.as_ref(), rollout), ..before(converter) };
        if wish.is_none() && pods.is_none() {
            return Ok(followed);
        }
        let due = self.is_due(converter, wish.as_ref(), rollout);
        let mut views = PodView::from_pods(pods.unwrap_or_default(), now_of_status().0);
        self.remembered(converter, |memory| memory.recall(&mut views));
        if due {
            let patience = self.settings.patience();
            let asked = self.remembered(converter, |memory| memory.worth_asking(&views, now, patience));
            self.asker.look_at(&mut views, &asked, ALTOGETHER).await;
            self.remembered(converter, |memory| memory.remember(&views, &asked, rollout.ready, now, patience));
        }
        if !valid.paused {
            self.spare(ctx, converter, valid, &mut views, count).await?;
        }
        if let Some(wish) = &wish {
            let observed = Observed { count, pods: &views, rolling: rollout.is_rolling() };
            if is_made && !valid.paused && due {
                followed.decision = self.decide(ctx, converter, &observed, wish, now);
            }
            let (silent, verdict) = self.remembered(converter, |memory| {
                let silent = memory.long_silent(now, self.settings.patience()).map(str::to_owned);
                (silent, memory.verdict)
            });
            let silent = silent.as_deref();
            let facts = condition::Facts { count, wish, paused: valid.paused, pods: &views, silent, verdict };
            followed.condition = Some(condition::plan_condition(&facts));
        }
        let present = figures(&views);
        self.remembered(converter, |memory| {
            followed.figures = memory.tell(present, now);
        });
        if let Some(decision) = &followed.decision {
            followed.last_scale = Some((now_of_status(), decision.words.clone()));
        }
        if followed.figures != present {
            followed.again = Some(followed.again.map_or(TELL_LATER, |again| again.min(TELL_LATER)));
        }
        Ok(followed)
    }

    fn again(&self, wish: Option<&Wish>, rollout: &Rollout) -> Option<Duration> {
        match wish {
            Some(_) => Some(self.settings.load_interval),
            None => (rollout.ready > 0).then_some(self.settings.status_interval),
        }
    }

    /// Lets pods go on that were chosen and then spared: once no more are there than are wanted, nobody is to go.
    async fn spare(
        &self,
        ctx: &Context,
        converter: &AudioConverter,
        valid: &ValidatedConverter,
        pods: &mut [PodView],
        count: i32,
    ) -> Result<(), CallError> {
        if to_i32(pods.iter().filter(|pod| !pod.stopping).count()) > count {
            return Ok(());
        }
        let reserved = self.remembered(converter, |memory| memory.reserved.clone());
        let ours = |pod: &&PodView| !pod.stopping && (pod.cost.is_some() || reserved.contains(&pod.uid));
        let spared: Vec<PodView> = pods.iter().filter(ours).cloned().collect();
        if spared.is_empty() {
            return Ok(());
        }
        let names: BTreeSet<String> = spared.iter().map(|pod| pod.name.clone()).collect();
        self.asker.release_all(pods, &names, ALTOGETHER).await;
        for pod in spared.iter().filter(|pod| pod.cost.is_some()) {
            marks::set_cost(ctx, &valid.namespace, pod, None).await?;
        }
        // One that did not hear it is free when its time is over.
        self.remembered(converter, |memory| memory.reserved.clear());
        Ok(())
    }

    /// Decides; None if the count stays.
    fn decide(
        &self,
        ctx: &Context,
        converter: &AudioConverter,
        observed: &Observed<'_>,
        wish: &Wish,
        now: Instant,
    ) -> Option<Decision> {
        let count = observed.count;
        let need = plan_need(observed, wish);
        let (decision, news) = self.remembered(converter, |memory| {
            memory.history.look(now, count, need, wish.longest_window());
            if memory.asked.is_some_and(|asked| asked != count) {
                memory.asked = None;
            }
            let decision = match memory.give_back.take().filter(|back| *back > count) {
                Some(back) => given_back(count, back),
                None => plan_scale(observed, wish, &memory.history, now),
            };
            let news = memory.verdict != Some(decision.verdict);
            memory.verdict = Some(decision.verdict);
            (decision, news)
        });
        if decision.count == count {
            if news {
                tracing::info!(count, need, "The count stays: {}", decision.words);
            }
            if let Verdict::Held(hold) = decision.verdict
                && news
            {
                ctx.metrics.scaled(Direction::Hold, hold.as_str());
            }
            return None;
        }
        Some(decision)
    }

    /// Writes the count that was decided for `converter` in place of `count`. It has had the new `metadata` since its status
    /// was written. If somebody has changed it since, nothing is written: says when to look again.
    pub async fn carry_out(
        &self,
        ctx: &Context,
        converter: &AudioConverter,
        metadata: &ObjectMeta,
        count: i32,
        decision: Decision,
    ) -> Result<Option<Duration>, CallError> {
        // The spec has changed since it was read, for example by a person's count: look again.
        if metadata.generation != converter.metadata.generation {
            return Ok(Some(BETWEEN_LOOKS));
        }
        // Before it is written: whether or not the answer arrives, the count is the streams'.
        let asked = (decision.verdict == Verdict::In(Cause::Streams)).then_some(decision.count);
        self.remembered(converter, |memory| memory.asked = asked);
        match apply::fill_replicas(ctx, metadata, decision.count).await {
            Ok(()) => {}
            // The same, at this very moment.
            Err(error) if error.code() == Some(CONFLICT) => {
                self.remembered(converter, |memory| memory.asked = None);
                return Ok(Some(BETWEEN_LOOKS));
            }
            Err(error) => return Err(error),
        }
        self.remembered(converter, |memory| memory.history.changed(Instant::now(), count, decision.count));
        tracing::info!("{}", decision.words);
        let (direction, reason) =
            if decision.count > count { (Direction::Out, "ScaledOut") } else { (Direction::In, "ScaledIn") };
        if let Verdict::Out(cause) | Verdict::In(cause) = decision.verdict {
            ctx.metrics.scaled(direction, cause.as_str());
        }
        let mut words = decision.words;
        if let Some(first) = words.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        ctx.events.publish(&converter.object_ref(&()), Note::normal(reason, SCALE, words)).await;
        Ok(None)
    }
}

/// The wish of a scale-in is taken back.
fn given_back(count: i32, back: i32) -> Decision {
    let words = format!("scaled from {count} to {back}: pods that were to go have got streams, or are being replaced");
    Decision { count: back, verdict: Verdict::Out(Cause::Streams), words }
}

/// What the status says so far.
fn before(converter: &AudioConverter) -> Followed {
    let status = converter.status.clone().unwrap_or_default();
    Followed {
        figures: Figures { active: status.active_streams, capacity: status.capacity },
        last_scale: status.last_scale_time.zip(status.last_scale_reason),
        ..Followed::default()
    }
}

fn figures(pods: &[PodView]) -> Figures {
    let takes = |pod: &&PodView| !pod.stopping && pod.load.as_ref().is_some_and(|load| !load.draining);
    let room = pods.iter().filter(takes).filter_map(|pod| pod.load.as_ref()).map(|load| i64::from(load.streams.max));
    let known = pods.iter().any(|pod| pod.load.is_some());
    Figures { active: known.then(|| demand(pods)), capacity: known.then(|| room.sum()) }
}

fn to_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
