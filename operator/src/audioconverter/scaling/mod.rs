//! How many pods run, and which go.
//!
//! - [`plan`] decides the count for `autoscaling.streams`, [`victims`] who goes: pure functions over [`pods`], plain data.
//! - [`load`] asks pods how full they are and reserves them; [`way`] is the one way in which pods go.
//! - [`lower`] and [`follow`] put both into the reconcile: the one before the Deployment's count falls, the other after
//!   the children are applied.
//!
//! See docs/adr/0013-the-way-in-is-at-the-deployment.md.

pub mod condition;
pub mod follow;
pub mod history;
pub mod load;
pub mod lower;
pub mod marks;
pub mod memory;
pub mod plan;
pub mod pods;
pub mod settings;
pub mod victims;
pub mod way;

use std::time::{Duration, Instant};

use crds::AudioConverter;
use crds::audioconverter::autoscaling::{Autoscaling, ScalingPace};
use crds::audioconverter::limits::DEFAULT_MAX_STREAMS;
use kube::ResourceExt;

use self::load::Asker;
use self::memory::{Memories, Memory};
use self::plan::{Pace, Target, Wish};
use self::settings::LoadArgs;
use super::validate::ValidatedConverter;
use crate::labels::{PAUSED_SCALE_IN, PAUSED_SCALE_OUT};

/// For how long fewer pods must have been enough before one goes, unless the spec says otherwise.
const DOWN_WINDOW: Duration = Duration::from_mins(5);

/// What the scaling of all converters shares.
#[derive(Debug)]
pub struct Scaler {
    settings: LoadArgs,
    asker: Asker,
    memories: Memories,
}

impl Scaler {
    /// A scaler that knows nothing yet.
    pub fn new(settings: LoadArgs) -> Self {
        let asker = Asker::new(settings.load_timeout);
        Self { settings, asker, memories: Memories::default() }
    }

    /// Works on what is known of `converter`.
    fn remembered<T>(&self, converter: &AudioConverter, work: impl FnOnce(&mut Memory) -> T) -> T {
        let uid = converter.uid().unwrap_or_default();
        self.memories.with(&uid, self.settings.gap(), Instant::now(), work)
    }
}

/// What `autoscaling.streams` asks for; `None` where something else scales, or nothing does.
pub fn wish(converter: &AudioConverter, valid: &ValidatedConverter) -> Option<Wish> {
    let Autoscaling { min_replicas, max_replicas, streams, scale_up, scale_down, .. } = valid.autoscaling.as_ref()?;
    let streams = streams.as_ref()?;
    let target = match (streams.target_per_replica, streams.free_slots) {
        (Some(target), _) => Target::PerReplica(target.unsigned_abs()),
        (None, Some(free)) => Target::FreeSlots(free.unsigned_abs()),
        // The schema's rule asks for one of them; an object from before it had no such field.
        (None, None) => return None,
    };
    let paused = |annotation| converter.annotations().get(annotation).is_some_and(|value| value == "true");
    Some(Wish {
        min: *min_replicas,
        max: *max_replicas,
        target,
        slots: valid.limits.max_streams.unwrap_or(DEFAULT_MAX_STREAMS).unsigned_abs(),
        up: pace(scale_up.as_ref(), Duration::ZERO),
        down: pace(scale_down.as_ref(), DOWN_WINDOW),
        up_paused: paused(PAUSED_SCALE_OUT),
        down_paused: paused(PAUSED_SCALE_IN),
    })
}

/// Below how many pods the scaling by streams lets no count get, unless an annotation keeps it from adding any.
pub fn least(converter: &AudioConverter, valid: &ValidatedConverter) -> Option<i32> {
    wish(converter, valid).filter(|wish| !wish.up_paused).map(|wish| wish.min)
}

fn pace(given: Option<&ScalingPace>, window: Duration) -> Pace {
    let seconds = given.and_then(|pace| pace.stabilization_seconds);
    let seconds = seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    Pace { window: seconds.unwrap_or(window), per_minute: given.and_then(|pace| pace.max_pods_per_minute) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;

    fn wish_of(spec: &str, annotations: &str) -> Option<Wish> {
        let mut converter = fixtures::converter(spec);
        converter.metadata.annotations = serde_yaml::from_str(annotations).unwrap();
        wish(&converter, &fixtures::valid(spec))
    }

    #[test]
    fn a_wish_for_streams_has_its_defaults() {
        let wish = wish_of("autoscaling: {maxReplicas: 7, streams: {freeSlots: 5}}", "{}").unwrap();
        assert_eq!(
            wish,
            Wish {
                min: 1,
                max: 7,
                target: Target::FreeSlots(5),
                slots: 1000,
                up: Pace { window: Duration::ZERO, per_minute: None },
                down: Pace { window: Duration::from_mins(5), per_minute: None },
                up_paused: false,
                down_paused: false,
            }
        );
    }

    #[test]
    fn a_wish_for_streams_in_full() {
        let spec = "{limits: {maxStreams: 40}, autoscaling: {minReplicas: 2, maxReplicas: 3, streams: {targetPerReplica: 25},
            scaleUp: {stabilizationSeconds: 7, maxPodsPerMinute: 4}, scaleDown: {stabilizationSeconds: 0, maxPodsPerMinute: 1}}}";
        let annotations = "{flacship.dev/paused-scale-in: 'true', flacship.dev/paused-scale-out: 'yes'}";
        let wish = wish_of(spec, annotations).unwrap();
        assert_eq!((wish.min, wish.max, wish.target, wish.slots), (2, 3, Target::PerReplica(25), 40));
        assert_eq!(wish.up, Pace { window: Duration::from_secs(7), per_minute: Some(4) });
        assert_eq!(wish.down, Pace { window: Duration::ZERO, per_minute: Some(1) });
        assert!(wish.down_paused && !wish.up_paused);
    }

    #[test]
    fn only_scaling_by_streams_that_is_not_paused_keeps_the_least_count() {
        let streams = "autoscaling: {minReplicas: 3, maxReplicas: 7, streams: {freeSlots: 5}}";
        let paused = "{flacship.dev/paused-scale-out: 'true'}";
        let cpu = "autoscaling: {minReplicas: 3, maxReplicas: 7, cpu: {averageUtilization: 60}}";
        for (spec, annotations, expected) in
            [(streams, "{}", Some(3)), (streams, paused, None), (cpu, "{}", None), ("{}", "{}", None)]
        {
            let mut converter = fixtures::converter(spec);
            converter.metadata.annotations = serde_yaml::from_str(annotations).unwrap();
            assert_eq!(least(&converter, &fixtures::valid(spec)), expected, "{spec} {annotations}");
        }
    }

    #[test]
    fn who_scales_by_something_else_has_none() {
        assert_eq!(wish_of("{}", "{}"), None);
        assert_eq!(wish_of("autoscaling: {maxReplicas: 7, cpu: {averageUtilization: 60}}", "{}"), None);
    }
}
