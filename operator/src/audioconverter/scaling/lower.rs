//! Before the Deployment's count falls: the pods that are to go are made ready for it, see [`super::way`].
//!
//! Two programs choose here: the operator, and then the ReplicaSet's controller, which takes pods that are not ready before
//! it looks at costs. The order of [`super::victims`] is the same, so both choose alike.

use crds::AudioConverter;
use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::PartialObjectMeta;
use kube::{Api, Resource, ResourceExt};

use super::load::ALTOGETHER;
use super::plan::Wish;
use super::pods::PodView;
use super::way::{self, Busy, Chosen};
use super::{Scaler, marks, wish};
use crate::apply::ApplyError;
use crate::audioconverter::conditions::Rollout;
use crate::audioconverter::observe;
use crate::audioconverter::validate::ValidatedConverter;
use crate::conditions::now;
use crate::context::Context;
use crate::errors::{CallError, call};
use crate::events::{Note, SCALE};
use crate::fields;
use crate::labels::SCALE_MANAGER;

/// How many pods are marked at once.
const AT_ONCE: usize = 8;
/// How often marking is tried, with the waits of the reconcile's errors between, before the count falls without.
const MARK_TRIES: u32 = 3;

impl Scaler {
    /// The Deployment to apply in place of `live`: `desired`, after the pods that go have been chosen, reserved and marked.
    /// Only where the count was lowered for the streams, and a pod that was to go has got one, the count stays higher;
    /// [`Scaler::follow`] then takes the wish back.
    ///
    /// It ends in bounded time: pods that do not answer are passed over, and what cannot be marked goes unmarked.
    pub async fn lower(
        &self,
        ctx: &Context,
        converter: &AudioConverter,
        valid: &ValidatedConverter,
        live: Deployment,
        mut desired: Deployment,
    ) -> Result<Deployment, ApplyError> {
        self.remembered(converter, |memory| memory.give_back = None);
        let count = |deployment: &Deployment| deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let (from, to) = (count(&live), count(&desired));
        // All go: there is nothing to choose, and nobody else to take a stream.
        if to >= from || to == 0 {
            return Ok(desired);
        }
        let rolling = Rollout::from(&live).is_rolling();
        let ours = match wish(converter, valid) {
            Some(wish) => self.is_for_streams(ctx, converter, &wish, to).await?,
            None => false,
        };
        if ours && rolling {
            // It has begun since the decision.
            return Ok(self.keep(converter, desired, from));
        }
        let pods = observe::pods(ctx, valid).await?;
        let mut views = PodView::from_pods(&pods, now().0);
        self.remembered(converter, |memory| memory.recall(&mut views));
        let there = views.iter().filter(|pod| !pod.stopping).count();
        let surplus = |of: usize| of.saturating_sub(usize::try_from(to).unwrap_or_default());
        // In a rollout the pods beyond the count are its own.
        let counted = if rolling { there.min(usize::try_from(from).unwrap_or_default()) } else { there };
        let how_many = surplus(counted);
        let busy = if ours { Busy::Stay } else { Busy::MayGo };
        let mut chosen = way::choose(&self.asker, views, how_many, busy).await;
        let to = to.saturating_add(i32::try_from(how_many - chosen.victims.len()).unwrap_or(i32::MAX)).min(from);
        if let Err(error) = self.mark(ctx, valid, &chosen, rolling).await {
            let failures = self.remembered(converter, |memory| {
                memory.mark_failures += 1;
                memory.mark_failures
            });
            if failures < MARK_TRIES {
                return Err(error.into());
            }
            tracing::warn!("Pods could not be marked, others may go in their place: {error}");
        }
        self.remembered(converter, |memory| memory.mark_failures = 0);
        let spared = chosen.spared();
        self.asker.release_all(&mut chosen.pods, &spared, ALTOGETHER).await;
        self.remembered(converter, |memory| {
            let uid = |name: &String| chosen.pods.iter().find(|pod| pod.name == *name).map(|pod| pod.uid.clone());
            memory.reserved.extend(chosen.victims.iter().filter_map(uid));
        });
        if count(&desired) != to {
            desired = self.keep(converter, desired, to);
        }
        if to < from {
            let words = chosen.words(from, to);
            tracing::info!("Scaling {words}");
            let mut note = Note::normal("PodsChosen", SCALE, format!("Scaling {words}"));
            let first = pods.iter().find(|pod| Some(&pod.name_any()) == chosen.victims.first());
            if let Some(first) = first {
                note = note.about(ObjectReference { resource_version: None, ..first.object_ref(&()) });
            }
            ctx.events.publish(&converter.object_ref(&()), note).await;
        }
        Ok(desired)
    }

    /// Whether the streams asked for the count `to`. Where that is not remembered (another operator led, or the answer to the
    /// write never came) the resource tells who wrote it.
    async fn is_for_streams(
        &self,
        ctx: &Context,
        converter: &AudioConverter,
        wish: &Wish,
        to: i32,
    ) -> Result<bool, CallError> {
        if self.remembered(converter, |memory| memory.asked == Some(to)) {
            return Ok(true);
        }
        // We write `maxReplicas` for whoever lowered that.
        if to >= wish.max {
            return Ok(false);
        }
        let name = converter.name_any();
        let api: Api<AudioConverter> = Api::namespaced(ctx.client.clone(), &converter.namespace().unwrap_or_default());
        let live = call(format!("get AudioConverter {name}"), api.get_metadata_opt(&name)).await?;
        let wrote = |live: PartialObjectMeta<_>| {
            fields::is_sole_owner(live.managed_fields(), &["f:spec", "f:replicas"], SCALE_MANAGER)
        };
        Ok(live.is_some_and(wrote))
    }

    /// `desired` with this count instead, and a note that the wish has to follow.
    fn keep(&self, converter: &AudioConverter, mut desired: Deployment, count: i32) -> Deployment {
        if let Some(spec) = &mut desired.spec {
            spec.replicas = Some(count);
        }
        self.remembered(converter, |memory| memory.give_back = Some(count));
        desired
    }

    async fn mark(
        &self,
        ctx: &Context,
        valid: &ValidatedConverter,
        chosen: &Chosen,
        rolling: bool,
    ) -> Result<(), CallError> {
        let marks = chosen.costs(rolling);
        let writes = marks.into_iter().map(|(pod, cost)| marks::set_cost(ctx, &valid.namespace, pod, cost));
        let writes: Vec<_> = writes.collect();
        let answers: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        for answer in answers {
            match answer {
                Ok(()) => {}
                // It would be refused again: the count must fall all the same.
                Err(error) if matches!(error.code(), Some(400 | 403 | 422)) => {
                    tracing::warn!("A pod could not be marked, another may go in its place: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
