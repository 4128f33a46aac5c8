//! What `ScalingActive` says of a converter that follows its streams. Pure.

use crds::conditions::ConverterReason;

use super::plan::{Hold, Verdict, Wish};
use super::pods::PodView;
use crate::ask::ADMIN_PORT;
use crate::conditions::Holds;
use crate::labels::{PAUSED_SCALE_IN, PAUSED_SCALE_OUT};

/// The condition without its type.
pub type Told = (Holds, ConverterReason, String);

/// What is known for it.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The wanted count.
    pub count: i32,
    /// What is asked for.
    pub wish: &'a Wish,
    /// Whether `spec.paused` keeps the operator from acting.
    pub paused: bool,
    /// The pods, with what they last said.
    pub pods: &'a [PodView],
    /// A pod that has been silent for so long that it is worth telling.
    pub silent: Option<&'a str>,
    /// The last decision.
    pub verdict: Option<Verdict>,
}

/// The texts hold no number that changes from one look to the next: they are written when something is another.
pub fn plan_condition(facts: &Facts<'_>) -> Told {
    let no = |reason, message: String| (Holds::False, reason, message);
    let Facts { wish, verdict, .. } = facts;
    let paused = match (wish.down_paused, wish.up_paused) {
        (true, true) => {
            Some(format!("the annotations {PAUSED_SCALE_IN} and {PAUSED_SCALE_OUT} keep the count as it is"))
        }
        (true, false) => Some(format!("the annotation {PAUSED_SCALE_IN} keeps the count from being lowered")),
        (false, true) => Some(format!("the annotation {PAUSED_SCALE_OUT} keeps the count from being raised")),
        (false, false) => None,
    };
    if facts.count == 0 {
        let message = "spec.replicas is 0, which switches the scaling off: scale to 1 or more to switch it on";
        return no(ConverterReason::ScaledToZero, message.to_owned());
    }
    if facts.paused {
        return no(ConverterReason::ScalingPaused, "spec.paused is true: the count is left as it is".to_owned());
    }
    let in_the_way = matches!(verdict, Some(Verdict::Held(Hold::InPaused | Hold::OutPaused)));
    if let Some(words) = paused.clone().filter(|_| in_the_way || (wish.down_paused && wish.up_paused)) {
        return no(ConverterReason::ScalingPaused, words);
    }
    if let Some(pod) = facts.silent {
        let message = format!(
            "pod {pod} does not say on port {ADMIN_PORT} how many streams it has, so the count is not lowered: the pod may hang, or a NetworkPolicy may keep the operator out"
        );
        return no(ConverterReason::LoadUnknown, message);
    }
    if facts.pods.iter().all(|pod| pod.load.is_none()) {
        let message = "no pod has said yet how many streams it has";
        return (Holds::Unknown, ConverterReason::LoadUnknown, message.to_owned());
    }
    let mut message = "the pods say how many streams they have".to_owned();
    if let Some(words) = paused {
        message = format!("{message}; {words}");
    }
    (Holds::True, ConverterReason::StreamsFollowed, message)
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Pace, Target};
    use super::super::pods::tests::{ready, starting};
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_said() {
        let pace = Pace { window: Duration::ZERO, per_minute: None };
        let wish = |down_paused, up_paused| Wish {
            min: 1,
            max: 3,
            target: Target::FreeSlots(1),
            slots: 4,
            up: pace,
            down: pace,
            up_paused,
            down_paused,
        };
        let (free, in_paused, both) = (wish(false, false), wish(true, false), wish(true, true));
        let pods = [ready("a", 1, 4), starting("b")];
        let facts =
            |wish| Facts { count: 2, wish, paused: false, pods: &pods, silent: None, verdict: Some(Verdict::Steady) };
        let held = |hold| Some(Verdict::Held(hold));
        for (facts, says) in [
            (facts(&free), "True/StreamsFollowed: the pods say how many streams they have"),
            (
                facts(&in_paused),
                "True/StreamsFollowed: the pods say how many streams they have; the annotation flacship.dev/paused-scale-in keeps the count from being lowered",
            ),
            (
                Facts { verdict: held(Hold::InPaused), ..facts(&in_paused) },
                "False/ScalingPaused: the annotation flacship.dev/paused-scale-in keeps the count from being lowered",
            ),
            (facts(&both), "False/ScalingPaused: the annotations"),
            (Facts { silent: Some("a"), ..facts(&free) }, "False/LoadUnknown: pod a does not say on port 9090"),
            (Facts { pods: &pods[1..], ..facts(&free) }, "Unknown/LoadUnknown: no pod has said"),
            (Facts { pods: &[], ..facts(&free) }, "Unknown/LoadUnknown: no pod has said"),
            (Facts { paused: true, ..facts(&free) }, "False/ScalingPaused: spec.paused"),
            (Facts { count: 0, ..facts(&free) }, "False/ScaledToZero: spec.replicas is 0"),
            (Facts { verdict: held(Hold::LoadUnknown), ..facts(&free) }, "True/StreamsFollowed"),
        ] {
            let (holds, reason, message) = plan_condition(&facts);
            let text = format!("{}/{reason}: {message}", holds.as_str());
            assert!(text.starts_with(says), "{text}");
        }
    }
}
