//! The conditions of an AudioConverter: a pure function from what is known to what is said.

use crds::conditions::{ConverterCondition, ConverterReason};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::apply::Refusal;
use super::scaling::condition::Told;
use crate::conditions::{Holds, Wanted};

/// What is known of a converter.
pub struct Facts<'a> {
    /// How many pods are wanted.
    pub wanted: i32,
    /// How the Deployment stands, if there is one.
    pub rollout: Option<&'a Rollout>,
    /// Children that were refused.
    pub refusals: &'a [Refusal],
    /// What the cluster lacks of what the spec asks for.
    pub lacks: &'a [Refusal],
    /// Why pods cannot start.
    pub trouble: Option<String>,
    /// Whether an autoscaler is asked for, and if so the one there is.
    pub autoscaler: Option<Option<&'a HorizontalPodAutoscaler>>,
    /// Whether the children are left alone.
    pub paused: bool,
    /// How the scaling by streams stands, if that is asked for.
    pub streams: Option<Told>,
}

/// How a Deployment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Pods that exist.
    pub replicas: i32,
    /// Pods of the wanted template.
    pub updated: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Whether these numbers are about the Deployment as it now is.
    pub current: bool,
    /// The rollout makes no progress: the Deployment's words.
    pub stuck: Option<String>,
    /// Pods cannot be created: the Deployment's words.
    pub failure: Option<String>,
}

impl From<&Deployment> for Rollout {
    fn from(deployment: &Deployment) -> Self {
        let Some(status) = &deployment.status else { return Self::default() };
        let words = |condition: &DeploymentCondition| condition.message.clone().unwrap_or_default();
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let stuck = conditions.iter().find(|condition| {
            condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
        });
        let failure =
            conditions.iter().find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True");
        Self {
            replicas: status.replicas.unwrap_or_default(),
            updated: status.updated_replicas.unwrap_or_default(),
            ready: status.ready_replicas.unwrap_or_default(),
            current: status.observed_generation >= deployment.metadata.generation,
            stuck: stuck.map(words),
            failure: failure.map(words),
        }
    }
}

impl Rollout {
    /// Whether pods of an older template are being replaced, or may be.
    pub fn is_rolling(&self) -> bool {
        !self.current || self.updated < self.replicas
    }

    /// Whether exactly the wanted pods run, all of the wanted template and ready.
    pub fn is_done(&self, wanted: i32) -> bool {
        self.current && self.updated == wanted && self.replicas == wanted && self.ready == wanted
    }

    /// Whether pods exist and are not as `wanted`. Where none exists there is none to be in trouble; the first that comes
    /// shows in the Deployment.
    pub fn waits_for_pods(&self, wanted: i32) -> bool {
        self.replicas > 0 && !self.is_done(wanted)
    }
}

/// All conditions, in the order in which `kubectl describe` shows them.
pub fn plan_conditions(facts: &Facts<'_>) -> Vec<Wanted> {
    let mut conditions = vec![ready(facts), progressing(facts), degraded(facts), paused(facts)];
    conditions.extend(match facts.streams.clone() {
        Some((holds, reason, message)) => Some(wanted(ConverterCondition::ScalingActive, holds, reason, message)),
        None => facts.autoscaler.map(|hpa| scaling_active(facts.wanted, hpa)),
    });
    conditions
}

/// The conditions of a converter whose spec contradicts itself or cannot be read.
pub fn invalid(message: String) -> Vec<Wanted> {
    held(ConverterReason::InvalidSpec, message)
}

/// The conditions of a converter whose spec is not carried out for this reason.
pub fn held(reason: ConverterReason, message: String) -> Vec<Wanted> {
    vec![
        wanted(ConverterCondition::Ready, Holds::False, reason, message.clone()),
        wanted(ConverterCondition::Degraded, Holds::True, reason, message),
    ]
}

fn wanted(type_: ConverterCondition, status: Holds, reason: ConverterReason, message: String) -> Wanted {
    Wanted { type_: type_.as_str(), status, reason: reason.as_str(), message }
}

fn ready(facts: &Facts<'_>) -> Wanted {
    let say = |status, reason, message| wanted(ConverterCondition::Ready, status, reason, message);
    if let Some(refusal) = facts.refusals.first() {
        return say(Holds::False, refusal.reason, refusal.message.clone());
    }
    let nothing = Rollout::default();
    let rollout = facts.rollout.unwrap_or(&nothing);
    let count = format!("{} of {} pods are ready", rollout.ready.min(facts.wanted), facts.wanted);
    if facts.wanted == 0 {
        say(Holds::True, ConverterReason::ScaledToZero, "spec.replicas is 0: no pod is wanted".to_owned())
    } else if rollout.ready == 0 {
        say(Holds::False, ConverterReason::NoReplicasReady, count)
    } else if rollout.current && rollout.updated >= facts.wanted && rollout.ready >= facts.wanted {
        say(Holds::True, ConverterReason::AllReplicasReady, count)
    } else if rollout.ready >= facts.wanted {
        say(Holds::True, ConverterReason::SomeReplicasReady, format!("{count}, not all with the wanted settings"))
    } else {
        say(Holds::True, ConverterReason::SomeReplicasReady, count)
    }
}

fn progressing(facts: &Facts<'_>) -> Wanted {
    let say = |status, reason, message| wanted(ConverterCondition::Progressing, status, reason, message);
    match (facts.rollout, facts.refusals.first()) {
        (None, Some(refusal)) => say(Holds::False, refusal.reason, refusal.message.clone()),
        (None, None) if facts.paused => say(
            Holds::False,
            ConverterReason::PausedBySpec,
            "no Deployment is made while spec.paused is true".to_owned(),
        ),
        (None, None) => say(Holds::True, ConverterReason::RollingOut, "the Deployment is being made".to_owned()),
        (Some(rollout), _) if rollout.is_done(facts.wanted) => {
            say(Holds::False, ConverterReason::RolledOut, "nothing is under way".to_owned())
        }
        (Some(Rollout { stuck: Some(words), .. }), _) => {
            say(Holds::False, ConverterReason::ProgressDeadlineExceeded, words.clone())
        }
        (Some(rollout), _) => say(
            Holds::True,
            ConverterReason::RollingOut,
            format!(
                "{} pods are wanted, {} exist, {} of them with the wanted settings",
                facts.wanted, rollout.replicas, rollout.updated
            ),
        ),
    }
}

fn degraded(facts: &Facts<'_>) -> Wanted {
    let say = |status, reason, message| wanted(ConverterCondition::Degraded, status, reason, message);
    let told = |refusal: &Refusal| (refusal.reason, refusal.message.clone());
    let (apis, secrets): (Vec<_>, Vec<_>) =
        facts.lacks.iter().map(told).partition(|(reason, _)| *reason == ConverterReason::ApiNotFound);
    let failure = facts.rollout.and_then(|rollout| rollout.failure.as_ref());
    let stuck = facts.rollout.and_then(|rollout| rollout.stuck.clone());
    // What explains the others first: a pod does not start for want of a Secret, a rollout is stuck for want of pods.
    let mut troubles: Vec<(ConverterReason, String)> = facts.refusals.iter().map(told).collect();
    troubles.extend(secrets);
    troubles.extend(failure.map(|words| (ConverterReason::PodsNotCreated, format!("pods cannot be created: {words}"))));
    troubles.extend(facts.trouble.clone().map(|words| (ConverterReason::PodsNotStarting, words)));
    if troubles.is_empty() {
        troubles.extend(stuck.map(|words| (ConverterReason::ProgressDeadlineExceeded, words)));
    }
    // The rest works without them, so they come last.
    troubles.extend(apis);
    let messages: Vec<&str> = troubles.iter().map(|(_, message)| message.as_str()).collect();
    match troubles.first() {
        Some((reason, _)) => say(Holds::True, *reason, messages.join("; ")),
        None => say(Holds::False, ConverterReason::AsExpected, "nothing is wrong".to_owned()),
    }
}

fn paused(facts: &Facts<'_>) -> Wanted {
    let (reason, message) = if facts.paused {
        let message =
            "spec.paused is true: the Deployment, the Service and all else stay as they are, whoever changes them";
        (ConverterReason::PausedBySpec, message)
    } else {
        (ConverterReason::NotPaused, "the converter follows its spec")
    };
    wanted(ConverterCondition::Paused, facts.paused.into(), reason, message.to_owned())
}

fn scaling_active(count: i32, hpa: Option<&HorizontalPodAutoscaler>) -> Wanted {
    let say = |status, reason, message| wanted(ConverterCondition::ScalingActive, status, reason, message);
    if count == 0 {
        let message = "spec.replicas is 0, which switches the autoscaler off: scale to 1 or more to switch it on";
        return say(Holds::False, ConverterReason::ScaledToZero, message.to_owned());
    }
    let conditions = hpa.and_then(|hpa| hpa.status.as_ref()).and_then(|status| status.conditions.as_deref());
    let find = |type_: &str| conditions.unwrap_or_default().iter().find(|condition| condition.type_ == type_);
    let blocked =
        ["AbleToScale", "ScalingActive"].into_iter().filter_map(find).find(|condition| condition.status == "False");
    match (blocked, find("ScalingActive")) {
        (Some(condition), _) => say(
            Holds::False,
            ConverterReason::MetricsUnavailable,
            format!(
                "{}; the autoscaler needs metrics.k8s.io (metrics-server), and the count stays as it is meanwhile",
                condition.message.as_deref().unwrap_or("the autoscaler gives no reason")
            ),
        ),
        (None, Some(_)) => {
            say(Holds::True, ConverterReason::AutoscalerActive, "the autoscaler reads its metric".to_owned())
        }
        (None, None) => {
            let message = "the autoscaler has not looked at its metric yet".to_owned();
            say(Holds::Unknown, ConverterReason::MetricsUnavailable, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(replicas: i32, updated: i32, ready: i32) -> Rollout {
        Rollout { replicas, updated, ready, current: true, ..Rollout::default() }
    }

    fn facts(wanted: i32, rollout: Option<&Rollout>) -> Facts<'_> {
        Facts {
            wanted,
            rollout,
            refusals: &[],
            lacks: &[],
            trouble: None,
            autoscaler: None,
            paused: false,
            streams: None,
        }
    }

    /// The conditions as `Type=Status/Reason`, without the one that nothing is paused.
    fn told(facts: &Facts<'_>) -> Vec<String> {
        let text = |c: &Wanted| format!("{}={}/{}", c.type_, c.status.as_str(), c.reason);
        plan_conditions(facts).iter().map(text).filter(|text| text != "Paused=False/NotPaused").collect()
    }

    #[test]
    fn a_life() {
        let fine = "Degraded=False/AsExpected";
        for (what, wanted, rollout, ready, progressing) in [
            ("no Deployment yet", 2, Rollout::default(), "False/NoReplicasReady", "True/RollingOut"),
            ("pods start", 2, rollout(2, 2, 0), "False/NoReplicasReady", "True/RollingOut"),
            ("one is ready", 2, rollout(2, 2, 1), "True/SomeReplicasReady", "True/RollingOut"),
            ("all are", 2, rollout(2, 2, 2), "True/AllReplicasReady", "False/RolledOut"),
            ("new settings", 2, rollout(3, 1, 2), "True/SomeReplicasReady", "True/RollingOut"),
            ("an old pod drains", 2, rollout(3, 2, 3), "True/AllReplicasReady", "True/RollingOut"),
            ("scaled out", 4, rollout(2, 2, 2), "True/SomeReplicasReady", "True/RollingOut"),
            ("scaled to zero", 0, rollout(1, 1, 1), "True/ScaledToZero", "True/RollingOut"),
            ("at zero", 0, rollout(0, 0, 0), "True/ScaledToZero", "False/RolledOut"),
            (
                "numbers of the Deployment before the last change",
                2,
                Rollout { current: false, ..rollout(2, 2, 2) },
                "True/SomeReplicasReady",
                "True/RollingOut",
            ),
        ] {
            let expected = [format!("Ready={ready}"), format!("Progressing={progressing}"), fine.to_owned()];
            assert_eq!(told(&facts(wanted, Some(&rollout))), expected, "{what}");
        }
    }

    #[test]
    fn a_bad_image_leaves_the_old_pods_ready_and_says_so() {
        let rollout = rollout(3, 1, 2);
        let facts = Facts { trouble: Some("no such image".to_owned()), ..facts(2, Some(&rollout)) };
        assert_eq!(
            told(&facts),
            ["Ready=True/SomeReplicasReady", "Progressing=True/RollingOut", "Degraded=True/PodsNotStarting"]
        );
    }

    #[test]
    fn a_stuck_rollout_is_no_progress() {
        let rollout = Rollout { stuck: Some("timed out".to_owned()), ..rollout(1, 1, 0) };
        assert_eq!(
            told(&facts(1, Some(&rollout))),
            [
                "Ready=False/NoReplicasReady",
                "Progressing=False/ProgressDeadlineExceeded",
                "Degraded=True/ProgressDeadlineExceeded"
            ]
        );
    }

    #[test]
    fn refusals_come_first() {
        let refusals = [
            Refusal { reason: ConverterReason::NameTaken, message: "one".to_owned() },
            Refusal { reason: ConverterReason::ChildRefused, message: "two".to_owned() },
        ];
        let facts = Facts { refusals: &refusals, ..facts(1, None) };
        assert_eq!(told(&facts), ["Ready=False/NameTaken", "Progressing=False/NameTaken", "Degraded=True/NameTaken"]);
        assert_eq!(plan_conditions(&facts)[2].message, "one; two");
    }

    fn refusal(reason: ConverterReason) -> Refusal {
        Refusal { reason, message: reason.to_string() }
    }

    #[test]
    fn what_the_cluster_lacks_leaves_the_rest_ready() {
        let (secret, api) = (ConverterReason::SecretNotFound, ConverterReason::ApiNotFound);
        let rollout = rollout(2, 2, 2);
        for (lacks, trouble, reason, message) in [
            (vec![refusal(api)], None, "ApiNotFound", "ApiNotFound"),
            (vec![refusal(api), refusal(secret)], None, "SecretNotFound", "SecretNotFound; ApiNotFound"),
            (vec![refusal(api)], Some("no image"), "PodsNotStarting", "no image; ApiNotFound"),
            (vec![refusal(secret)], Some("no image"), "SecretNotFound", "SecretNotFound; no image"),
        ] {
            let trouble = trouble.map(str::to_owned);
            let facts = Facts { lacks: &lacks, trouble, ..facts(2, Some(&rollout)) };
            assert_eq!(
                told(&facts),
                [
                    "Ready=True/AllReplicasReady".to_owned(),
                    "Progressing=False/RolledOut".to_owned(),
                    format!("Degraded=True/{reason}")
                ]
            );
            assert_eq!(plan_conditions(&facts)[2].message, message);
        }
    }

    #[test]
    fn a_pause_is_said_and_nothing_is_expected_of_it() {
        let done = rollout(2, 2, 2);
        let facts = |rollout| Facts { paused: true, ..facts(2, rollout) };
        assert_eq!(
            told(&facts(Some(&done))),
            [
                "Ready=True/AllReplicasReady",
                "Progressing=False/RolledOut",
                "Degraded=False/AsExpected",
                "Paused=True/PausedBySpec"
            ]
        );
        assert_eq!(
            told(&facts(None)),
            [
                "Ready=False/NoReplicasReady",
                "Progressing=False/PausedBySpec",
                "Degraded=False/AsExpected",
                "Paused=True/PausedBySpec"
            ]
        );
        let conditions = plan_conditions(&super::tests::facts(2, Some(&done)));
        assert_eq!(
            (conditions[3].type_, conditions[3].status, conditions[3].reason),
            ("Paused", Holds::False, "NotPaused")
        );
    }

    #[test]
    fn the_deployments_conditions_are_read() {
        let deployment: Deployment = serde_yaml::from_str(
            "{metadata: {generation: 4}, spec: {selector: {}, template: {}}, status: {observedGeneration: 3, replicas: 3,
              updatedReplicas: 2, readyReplicas: 1, conditions: [
                {type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: too slow},
                {type: ReplicaFailure, status: 'True', reason: FailedCreate, message: quota}]}}",
        )
        .unwrap();
        let expected = Rollout {
            replicas: 3,
            updated: 2,
            ready: 1,
            current: false,
            stuck: Some("too slow".to_owned()),
            failure: Some("quota".to_owned()),
        };
        assert_eq!(Rollout::from(&deployment), expected);
        assert_eq!(told(&facts(3, Some(&expected)))[2], "Degraded=True/PodsNotCreated");
    }

    #[test]
    fn the_autoscaler_says_whether_it_can_act() {
        let hpa = |conditions: &str| -> HorizontalPodAutoscaler {
            serde_yaml::from_str(&format!("{{status: {{desiredReplicas: 0, conditions: {conditions}}}}}")).unwrap()
        };
        let rollout = rollout(1, 1, 1);
        for (count, conditions, says) in [
            (1, "[]", "Unknown/MetricsUnavailable"),
            (
                1,
                "[{type: AbleToScale, status: 'True'}, {type: ScalingActive, status: 'True'}]",
                "True/AutoscalerActive",
            ),
            (1, "[{type: ScalingActive, status: 'False', message: no metrics}]", "False/MetricsUnavailable"),
            (1, "[{type: AbleToScale, status: 'False', message: no scale}]", "False/MetricsUnavailable"),
            (0, "[{type: ScalingActive, status: 'False', reason: ScalingDisabled}]", "False/ScaledToZero"),
        ] {
            let hpa = hpa(conditions);
            let facts = Facts { autoscaler: Some(Some(&hpa)), ..facts(count, Some(&rollout)) };
            assert_eq!(told(&facts)[3], format!("ScalingActive={says}"));
        }
        assert_eq!(told(&facts(1, Some(&rollout))).len(), 3);
    }
}
