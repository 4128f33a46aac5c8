//! Whole looks and whole ways in: fake pods on real sockets, and an apiserver of canned answers.

use std::net::IpAddr;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::super::load::tests::FakePod;
use super::super::memory::{Memories, Memory};
use super::super::pods::tests::{ready, starting};
use super::super::settings::LoadArgs;
use super::*;
use crate::audioconverter::{fixtures, observe};
use crate::conversionjob::fixtures::{FakeCluster, failure, list};

const PODS: &str = "/api/v1/namespaces/reels/pods";
const SCALE: &str = "PATCH /apis/flacship.dev/v1alpha1/namespaces/reels/audioconverters/tape.archive-9/scale";

/// A converter with its pods, as the cluster has it.
struct Stage {
    scaler: Scaler,
    pods: Vec<FakePod>,
    spec: String,
}

impl Stage {
    /// Pods with so many streams of four each. Fewer pods go at once.
    async fn new(streams: &[u32], wish: &str) -> Self {
        let mut scaler = Scaler::new(LoadArgs::default());
        let mut pods = Vec::new();
        for (n, active) in streams.iter().enumerate() {
            let pod = FakePod::start(&format!("p{n}"), *active, 4).await;
            scaler.asker.pods.elsewhere.insert(ip(n), pod.address);
            pods.push(pod);
        }
        let spec = format!("{{replicas: {}, limits: {{maxStreams: 4}}, {wish}}}", streams.len());
        Self { scaler, pods, spec }
    }

    fn converter(&self) -> AudioConverter {
        let mut converter = fixtures::converter(&self.spec);
        converter.metadata.resource_version = Some("7".to_owned());
        converter
    }

    fn cluster(&self) -> FakeCluster {
        let pods: Vec<Value> = self.pods.iter().enumerate().map(|(n, pod)| cluster_pod(n, &pod.name)).collect();
        let meta = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "p"}});
        FakeCluster::default()
            .json(&format!("GET {PODS}"), &list(&pods))
            .json(&format!("PATCH {PODS}"), &meta)
            .json(SCALE, &json!({"metadata": {}, "spec": {"replicas": 1}}))
    }

    /// With the status written, since when the resource has this `generation`; it was read with the first.
    async fn carry_out(
        &self,
        cluster: &FakeCluster,
        generation: i64,
        count: i32,
        decision: Decision,
    ) -> Option<Duration> {
        let (context, mut converter) = (cluster.context(), self.converter());
        converter.metadata.generation = Some(1);
        let metadata = ObjectMeta { generation: Some(generation), ..converter.metadata.clone() };
        self.scaler.carry_out(&context, &converter, &metadata, count, decision).await.unwrap()
    }

    async fn follow(&self, cluster: &FakeCluster, count: i32) -> Followed {
        let (context, converter) = (cluster.context(), self.converter());
        let (rollout, valid) = (Rollout::from(&deployment(count)), fixtures::valid(&self.spec));
        let pods = observe::pods(&context, &valid).await.unwrap();
        self.scaler.follow(&context, &converter, &valid, Some(&rollout), count, Some(&pods)).await.unwrap()
    }

    /// The count of the Deployment that is applied when `to` is wanted.
    async fn lower(&self, cluster: &FakeCluster, to: i32) -> i32 {
        let (live, desired) = (deployment(to_i32(self.pods.len())), deployment(to));
        let valid = fixtures::valid(&self.spec);
        let (context, converter) = (cluster.context(), self.converter());
        let applied = Box::pin(self.scaler.lower(&context, &converter, &valid, live, desired)).await;
        applied.unwrap().spec.unwrap().replicas.unwrap()
    }

    fn remembered<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        self.scaler.remembered(&self.converter(), work)
    }
}

fn ip(n: usize) -> IpAddr {
    format!("198.51.100.{}", n + 1).parse().unwrap()
}

fn cluster_pod(n: usize, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": "n", "containers": []},
        "status": {"phase": "Running", "podIP": ip(n).to_string(), "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// A Deployment at rest.
fn deployment(count: i32) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"generation": 1},
        "spec": {"replicas": count, "selector": {}, "template": {}},
        "status": {"observedGeneration": 1, "replicas": count, "updatedReplicas": count, "readyReplicas": count},
    }))
    .unwrap()
}

/// What was written, without queries.
fn writes(cluster: &FakeCluster) -> Vec<String> {
    let asked = cluster.asked().into_iter();
    let asked = asked.filter(|request| !request.starts_with("GET") && !request.contains("/events"));
    asked.map(|request| request.split('?').next().unwrap_or_default().to_owned()).collect()
}

const SLOTS: &str = "autoscaling: {maxReplicas: 5, streams: {freeSlots: 2}, scaleDown: {stabilizationSeconds: 0}}";

#[tokio::test]
async fn more_streams_more_pods_and_the_status_says_why() {
    let stage = Stage::new(&[4, 3], SLOTS).await;
    let cluster = stage.cluster();
    let followed = stage.follow(&cluster, 2).await;
    assert_eq!(writes(&cluster), Vec::<String>::new(), "the status comes first");
    assert_eq!(followed.figures, Figures { active: Some(7), capacity: Some(8) });
    assert_eq!(followed.last_scale.unwrap().1, "scaled from 2 to 3: 7 live streams and 2 free slots need 3 pods");
    assert_eq!(followed.condition.unwrap().0, crate::conditions::Holds::True);
    assert_eq!(followed.again, Some(Duration::from_secs(5)));
    assert_eq!(stage.carry_out(&cluster, 1, 2, followed.decision.unwrap()).await, None);
    assert_eq!(writes(&cluster), [SCALE]);
}

#[tokio::test]
async fn a_count_that_somebody_sets_meanwhile_wins() {
    let stage = Stage::new(&[4, 3], SLOTS).await;
    let cluster = stage.cluster().answer(SCALE, 409, failure(409));
    let decision = stage.follow(&cluster, 2).await.decision.unwrap();
    assert_eq!(stage.carry_out(&cluster, 2, 2, decision.clone()).await, Some(BETWEEN_LOOKS));
    assert_eq!(writes(&cluster), Vec::<String>::new(), "the spec is another since");
    assert_eq!(stage.carry_out(&cluster, 1, 2, decision).await, Some(BETWEEN_LOOKS));
    assert_eq!(writes(&cluster), [SCALE], "refused, as it has changed at this moment");
}

#[tokio::test]
async fn at_rest_nothing_is_written() {
    let stage = Stage::new(&[2, 0], "autoscaling: {minReplicas: 2, maxReplicas: 5, streams: {freeSlots: 2}}").await;
    let cluster = stage.cluster();
    let followed = stage.follow(&cluster, 2).await;
    assert_eq!(writes(&cluster), Vec::<String>::new());
    assert_eq!(followed.last_scale, None);
    // A second look right after it does not ask the pods again.
    stage.follow(&cluster, 2).await;
    assert_eq!(stage.pods[0].asked(), ["GET /load"]);
}

#[tokio::test]
async fn pods_of_other_converters_are_asked_now_and_then() {
    let stage = Stage::new(&[2, 1], "").await;
    let cluster = stage.cluster();
    let followed = stage.follow(&cluster, 2).await;
    assert_eq!(followed.figures, Figures { active: Some(3), capacity: Some(8) });
    assert_eq!((followed.again, followed.condition), (Some(Duration::from_secs(30)), None));
    let mut converter = stage.converter();
    converter.status = Some(crds::AudioConverterStatus { active_streams: Some(3), ..Default::default() });
    let (context, valid) = (cluster.context(), fixtures::valid(&stage.spec));
    let rollout = |count| Rollout::from(&deployment(count));
    assert!(!stage.scaler.wants_pods(&converter, &valid, &rollout(2)), "not so soon");
    let again = stage.scaler.follow(&context, &converter, &valid, Some(&rollout(2)), 2, None).await.unwrap();
    assert_eq!((again.figures.active, again.again), (Some(3), Some(Duration::from_secs(30))), "as it was");
    assert_eq!(stage.pods[0].asked().len(), 1);
    assert!(stage.scaler.wants_pods(&converter, &valid, &rollout(3)), "another pod is ready");
    assert!(!stage.scaler.wants_pods(&converter, &valid, &rollout(0)), "there is none");
    let none = stage.scaler.follow(&context, &converter, &valid, Some(&rollout(0)), 0, None).await.unwrap();
    assert_eq!(none.again, None);
}

#[tokio::test]
async fn fewer_pods_the_idle_one_is_reserved_and_marked_first() {
    let stage = Stage::new(&[1, 0, 2], SLOTS).await;
    let cluster = stage.cluster();
    assert_eq!(stage.lower(&cluster, 2).await, 2);
    assert_eq!(writes(&cluster), [format!("PATCH {PODS}/p1")]);
    assert_eq!(stage.pods[1].asked(), ["GET /load", "POST /reserve?ttl=30s"]);
    assert_eq!(stage.pods[0].asked(), ["GET /load"]);
}

#[tokio::test]
async fn nobody_is_asked_where_the_count_rises_stays_or_becomes_zero() {
    let stage = Stage::new(&[1, 0], SLOTS).await;
    for to in [0, 2, 3] {
        let cluster = stage.cluster();
        assert_eq!(stage.lower(&cluster, to).await, to);
        assert_eq!(cluster.asked(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_persons_count_is_followed_and_our_own_is_taken_back_when_all_pods_got_streams() {
    for (ours, applied) in [(false, 1), (true, 2)] {
        let stage = Stage::new(&[3, 0], SLOTS).await;
        stage.pods[1].inside.lock().unwrap().late = 1;
        stage.remembered(|memory| memory.asked = ours.then_some(1));
        let cluster = stage.cluster();
        assert_eq!(stage.lower(&cluster, 1).await, applied);
        assert_eq!(stage.pods[1].is_reserved(), !ours);
        if ours {
            assert_eq!(writes(&cluster), Vec::<String>::new(), "nobody is marked");
            let followed = stage.follow(&cluster, 1).await;
            assert_eq!(stage.carry_out(&cluster, 1, 1, followed.decision.unwrap()).await, None);
            assert_eq!(writes(&cluster), [SCALE]);
            let words = followed.last_scale.unwrap().1;
            assert!(words.starts_with("scaled from 1 to 2: pods that were to go have got streams"), "{words}");
            assert_eq!(stage.remembered(|memory| (memory.asked, memory.give_back)), (None, None));
        }
    }
}

#[tokio::test]
async fn a_count_of_ours_is_known_as_such_without_the_answer_and_after_a_restart() {
    let stage = Stage::new(&[0, 0], SLOTS).await;
    for (code, asked) in [(500, Some(1)), (409, None)] {
        let cluster = stage.cluster().answer(SCALE, code, failure(code));
        let decision = Decision { count: 1, verdict: Verdict::In(Cause::Streams), words: "fewer".to_owned() };
        let (context, converter) = (cluster.context(), stage.converter());
        let _ = stage.scaler.carry_out(&context, &converter, &converter.metadata, 2, decision).await;
        assert_eq!(stage.remembered(|memory| memory.asked), asked, "{code}");
    }
    // Another operator, which remembers nothing: all pods have streams by now.
    let live = |manager: &str| {
        json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "x", "managedFields": [
            {"manager": manager, "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}})
    };
    let lowest = SLOTS.replace("maxReplicas: 5", "maxReplicas: 1");
    for (what, manager, spec, applied) in [
        ("we wrote it", "flacship-scale", SLOTS, 2),
        ("a person did", "kubectl", SLOTS, 1),
        ("a person lowered maxReplicas", "flacship-scale", lowest.as_str(), 1),
    ] {
        let stage = Stage::new(&[3, 1], spec).await;
        let get = "GET /apis/flacship.dev/v1alpha1/namespaces/reels/audioconverters/tape.archive-9";
        let cluster = stage.cluster().json(get, &live(manager));
        assert_eq!(stage.lower(&cluster, 1).await, applied, "{what}");
    }
}

#[tokio::test]
async fn our_own_count_waits_for_a_rollout_that_has_begun() {
    let stage = Stage::new(&[0, 0], SLOTS).await;
    stage.remembered(|memory| memory.asked = Some(1));
    let mut live = deployment(2);
    live.metadata.generation = Some(2);
    let cluster = stage.cluster();
    let (context, valid) = (cluster.context(), fixtures::valid(&stage.spec));
    let applied = stage.scaler.lower(&context, &stage.converter(), &valid, live, deployment(1)).await.unwrap();
    assert_eq!(applied.spec.unwrap().replicas, Some(2));
    assert_eq!(stage.remembered(|memory| memory.give_back), Some(2));
}

#[tokio::test]
async fn who_was_chosen_and_spared_is_let_go_on() {
    let stage = Stage::new(&[1, 0], "").await;
    stage.pods[1].inside.lock().unwrap().reserved = true;
    let mut pods: Vec<Value> = stage.pods.iter().enumerate().map(|(n, pod)| cluster_pod(n, &pod.name)).collect();
    pods[1]["metadata"]["annotations"] = json!({"controller.kubernetes.io/pod-deletion-cost": i32::MIN.to_string()});
    let cluster = stage.cluster().json(&format!("GET {PODS}"), &list(&pods));
    // One too many is there: it may still go.
    stage.follow(&cluster, 1).await;
    assert_eq!(writes(&cluster), Vec::<String>::new());
    let stage = Stage { scaler: Scaler { memories: Memories::default(), ..stage.scaler }, ..stage };
    stage.follow(&cluster, 2).await;
    assert_eq!(writes(&cluster), [format!("PATCH {PODS}/p1")]);
    assert!(!stage.pods[1].is_reserved());
}

#[tokio::test]
async fn a_mark_that_is_refused_does_not_keep_the_count_from_falling() {
    let stage = Stage::new(&[1, 0], SLOTS).await;
    let refused = stage.cluster().answer(&format!("PATCH {PODS}"), 403, failure(403));
    assert_eq!(stage.lower(&refused, 1).await, 1);
    let broken = stage.cluster().answer(&format!("PATCH {PODS}"), 500, failure(500));
    for _ in 0..2 {
        let (context, converter, valid) = (broken.context(), stage.converter(), fixtures::valid(&stage.spec));
        let lowered = stage.scaler.lower(&context, &converter, &valid, deployment(2), deployment(1));
        assert!(Box::pin(lowered).await.is_err(), "it may pass");
    }
    assert_eq!(stage.lower(&broken, 1).await, 1, "it does not pass");
    let gone = stage.cluster().answer(&format!("PATCH {PODS}"), 404, failure(404));
    assert_eq!(stage.lower(&gone, 1).await, 1);
}

#[test]
fn figures_count_streams_of_stopping_pods_and_not_their_room() {
    let stopping = PodView { stopping: true, ..ready("c", 2, 8) };
    let mut leaving = ready("d", 1, 8);
    leaving.load.as_mut().unwrap().draining = true;
    let pods = [ready("a", 3, 8), PodView { fresh: false, ..ready("b", 1, 4) }, stopping, leaving, starting("e")];
    assert_eq!(figures(&pods), Figures { active: Some(7), capacity: Some(12) });
    assert_eq!(figures(&[starting("a")]), Figures::default());
}

#[test]
fn a_wish_that_is_taken_back_says_so() {
    let decision = given_back(1, 2);
    assert_eq!((decision.count, decision.verdict), (2, Verdict::Out(Cause::Streams)));
}
