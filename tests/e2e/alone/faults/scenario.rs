//! What happens to the resources in every run: steps, each of which an operator has to follow to its end.

use std::time::{Duration, Instant};

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::object::{condition, is_observed};
use crate::harness::pods::small_pods;
use crate::harness::volume::Volume;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter};
use e2e::audio::{Audio, Shape};

/// The converter of [`converter`] and of its children, but for the Secret.
pub const CONVERTER: &str = "choir";
const JOB: &str = "shelf";

/// What a converter has when its spec asks for all of it.
const EXTRAS: [&str; 3] = ["Ingress", "PodDisruptionBudget", "NetworkPolicy"];

/// A list of steps in a namespace of their own.
pub struct Scenario {
    /// Its name, for the namespace.
    pub name: &'static str,
    /// What has to be there before.
    pub prepare: fn(&Namespace) -> Option<Volume>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A change by somebody, and how one sees that the operator has followed it.
pub struct Step {
    /// In words.
    pub what: &'static str,
    /// The change.
    pub act: Act,
    /// Whether the operator is done, from all objects that there are. An undisturbed run asks; the state that it then
    /// finds is what the others have to reach.
    pub done: fn(&[Value]) -> bool,
}

/// A change, by `group/version/Kind` and name as far as these are not in the manifest.
pub enum Act {
    /// Server-side apply of a manifest of ours.
    Apply(Value),
    /// A merge patch.
    Edit(&'static str, &'static str, Value),
    /// A deletion.
    Delete(&'static str, &'static str),
}

impl Act {
    /// Does it, again while the apiserver does not answer: all of them may be done twice.
    pub async fn carry_out(&self, client: &kube::Client, namespace: &str) {
        let begin = Instant::now();
        loop {
            match self.attempt(client, namespace).await {
                Ok(()) => return,
                Err(kube::Error::Api(status)) if matches!(self, Self::Delete(..)) && status.code == 404 => return,
                Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => {
                    panic!("the change was refused: {status:?}")
                }
                Err(error) => assert!(begin.elapsed() < STEP, "the change is not taken: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn attempt(&self, client: &kube::Client, namespace: &str) -> Result<(), kube::Error> {
        let api = |kind: &str| {
            let [group, version, kind] = kind.split('/').collect::<Vec<_>>()[..] else {
                panic!("{kind} is no group/version/kind")
            };
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource)
        };
        match self {
            Self::Apply(manifest) => {
                let text = |value: &Value| value.as_str().expect("a manifest has kind and name").to_owned();
                let kind = format!("{}/{}", text(&manifest["apiVersion"]), text(&manifest["kind"]));
                let params = PatchParams::apply("e2e").force();
                api(&kind).patch(&text(&manifest["metadata"]["name"]), &params, &Patch::Apply(manifest)).await.map(drop)
            }
            Self::Edit(kind, name, patch) => {
                api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
            }
            Self::Delete(kind, name) => api(kind).delete(name, &DeleteParams::default()).await.map(drop),
        }
    }
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

/// Whether the converter's status is of its present spec, and nothing is under way.
fn settled(objects: &[Value]) -> bool {
    find(objects, "AudioConverter", CONVERTER).is_some_and(|converter| {
        is_observed(converter) && condition(converter, "Progressing").is_some_and(|now| now.status == "False")
    })
}

fn has(objects: &[Value], kind: &str) -> bool {
    find(objects, kind, CONVERTER).is_some()
}

/// An AudioConverter's life, without pods: they would add nothing but time.
pub fn converter() -> Scenario {
    let apply = |spec: Value| Act::Apply(converter::manifest(CONVERTER, &spec));
    let changed = json!({
        "encoding": { "compressionLevel": 8 },
        "service": { "port": 8000, "annotations": { "example.com/pool": "a" } },
        "podTemplate": { "env": [{ "name": "RUST_LOG", "value": "debug" }] },
    });
    let mut exposed = changed.clone();
    exposed["ingress"] = json!({ "host": "choir.example" });
    exposed["disruptionBudget"] = json!({ "maxUnavailable": 1 });
    exposed["networkPolicy"] = json!({});
    let mut autoscaled = changed.clone();
    autoscaled["autoscaling"] = json!({ "minReplicas": 1, "maxReplicas": 2, "cpu": { "averageUtilization": 90 } });
    Scenario {
        name: "converter",
        prepare: |_| None,
        steps: vec![
            Step {
                what: "it is made",
                act: apply(json!({ "replicas": 0, "service": { "port": 8080 } })),
                done: |objects| settled(objects) && has(objects, "Service"),
            },
            Step {
                what: "it is changed, and the count left out",
                act: apply(changed.clone()),
                done: |objects| {
                    let filled =
                        find(objects, "AudioConverter", CONVERTER).is_some_and(|it| it["spec"]["replicas"] == 0);
                    settled(objects) && filled && ports(objects) == [8000]
                },
            },
            Step {
                what: "it is exposed and protected",
                act: apply(exposed),
                done: |objects| settled(objects) && EXTRAS.iter().all(|kind| has(objects, kind)),
            },
            Step {
                what: "and no longer, but autoscaling is switched on",
                act: apply(autoscaled),
                done: |objects| {
                    let gone = !EXTRAS.iter().any(|kind| has(objects, kind));
                    settled(objects) && gone && has(objects, "HorizontalPodAutoscaler")
                },
            },
            Step {
                what: "autoscaling is switched off",
                act: apply(changed),
                done: |objects| settled(objects) && !has(objects, "HorizontalPodAutoscaler"),
            },
            Step {
                what: "its Service is deleted",
                act: Act::Delete("/v1/Service", CONVERTER),
                done: |objects| settled(objects) && has(objects, "Service"),
            },
            Step {
                what: "its Deployment is edited",
                act: Act::Edit(
                    "apps/v1/Deployment",
                    CONVERTER,
                    json!({ "spec": { "revisionHistoryLimit": 7,
                    "template": { "spec": { "serviceAccountName": "default" } } } }),
                ),
                done: |objects| {
                    let account = find(objects, "Deployment", CONVERTER)
                        .map(|it| it["spec"]["template"]["spec"]["serviceAccountName"].clone());
                    settled(objects) && account.is_some_and(|account| account == CONVERTER)
                },
            },
        ],
    }
}

fn ports(objects: &[Value]) -> Vec<i64> {
    let ports = find(objects, "Service", CONVERTER).and_then(|service| service["spec"]["ports"].as_array());
    ports.into_iter().flatten().filter_map(|port| port["port"].as_i64()).collect()
}

/// Pods that come and go: by a person's word, and by that of the streams' bounds.
pub fn scaling() -> Scenario {
    let manifest = |more: Value| {
        let mut spec = json!({ "drainSeconds": 1, "podTemplate": small_pods() });
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        Act::Apply(converter::manifest(CONVERTER, &spec))
    };
    let streams = |count: i32| {
        let streams = json!({ "targetPerReplica": 10 });
        json!({ "autoscaling": { "minReplicas": count, "maxReplicas": count, "streams": streams } })
    };
    Scenario {
        name: "scaling",
        prepare: |_| None,
        steps: vec![
            Step {
                what: "two pods run",
                act: manifest(json!({ "replicas": 2 })),
                done: |objects| settled(objects) && runs(objects, 2),
            },
            Step {
                what: "one goes",
                act: Act::Edit("flacship.dev/v1alpha1/AudioConverter", CONVERTER, json!({ "spec": { "replicas": 1 } })),
                done: |objects| settled(objects) && runs(objects, 1),
            },
            Step {
                what: "the count follows the streams, and is at least two",
                act: manifest(streams(2)),
                done: |objects| settled(objects) && runs(objects, 2),
            },
            Step {
                what: "and at most one",
                act: manifest(streams(1)),
                done: |objects| settled(objects) && runs(objects, 1),
            },
        ],
    }
}

/// Whether so many pods are wanted and ready, and no other is there.
fn runs(objects: &[Value], count: i64) -> bool {
    let Some(converter) = find(objects, "AudioConverter", CONVERTER) else { return false };
    let status = |field: &str| converter["status"][field].as_i64().unwrap_or_default();
    converter["spec"]["replicas"] == count
        && ["replicas", "readyReplicas"].iter().all(|field| status(field) == count)
        && status("drainingReplicas") == 0
}

/// A ConversionJob from its making to its end, with pods that convert.
pub fn job() -> Scenario {
    Scenario {
        name: "job",
        prepare: |namespace| {
            let volume = Volume::with_claim(namespace, "tapes");
            volume.folder("", 0o777, None);
            let wav = Audio::music(Shape::VOICE, 0.5, 1).wav().expect("a WAV");
            std::fs::write(volume.root().join("a.wav"), wav).expect("write a WAV");
            Some(volume)
        },
        steps: vec![Step {
            what: "it runs",
            act: Act::Apply(json!({
                "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": JOB },
                "spec": { "source": { "volume": { "persistentVolumeClaim": { "claimName": "tapes" } } } },
            })),
            done: |objects| {
                let job = find(objects, "ConversionJob", JOB);
                job.and_then(|job| condition(job, "Complete")).is_some_and(|complete| complete.status == "True")
            },
        }],
    }
}

/// How long the operator asks for nothing when a step of an undisturbed run is over.
pub const QUIET: Duration = Duration::from_millis(500);
