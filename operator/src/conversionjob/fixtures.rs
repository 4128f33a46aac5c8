//! Resources and objects for tests, from as little YAML as says what matters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use crds::conversionjob::ConversionJob;
use k8s_openapi::api::batch::v1::Job;
use kube::Client;
use serde_json::{Value, json};

use super::runs::{ProgressArgs, Runs};
use super::settings::{Settings, SettingsState, plan_settings};
use super::validate::{Allowed, ValidatedJob, validate};
use crate::apis::Apis;
use crate::context::{Config, Context, Shared};
use crate::leader::Gate;

/// A job with odd names, so that a swapped name, instance or namespace fails a test. `spec` is YAML.
pub fn job(spec: &str) -> ConversionJob {
    named("night.shift-7", spec)
}

/// As [`job`], with a name.
pub fn named(name: &str, spec: &str) -> ConversionJob {
    let spec: Value = serde_yaml::from_str(spec).unwrap();
    serde_json::from_value(json!({
        "apiVersion": "flacship.dev/v1alpha1",
        "kind": "ConversionJob",
        "metadata": {"name": name, "namespace": "attic", "uid": "0c1d-uid", "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}

/// An operator that allows everything.
pub const ALLOWED: Allowed = Allowed { service_account_name: true, host_path: true };

/// A job that has passed its checks.
pub fn validated(spec: &str) -> ValidatedJob {
    validate(&job(spec), ALLOWED).unwrap()
}

/// The settings of a job that takes none from an AudioConverter.
pub fn settings(job: &ValidatedJob) -> Settings {
    match plan_settings(job, None, "registry.example/converter:1") {
        SettingsState::Known(settings) => *settings,
        SettingsState::NotReady(failure) => panic!("{failure:?}"),
    }
}

/// Runs of which nothing is known, whose pods are asked at every look.
pub fn runs() -> Runs {
    Runs::new(&ProgressArgs { progress_interval: Duration::ZERO }, Duration::from_secs(5))
}

/// A Job of the cluster; `yaml` holds what differs from a Job that was just made.
pub fn cluster_job(yaml: &str) -> Job {
    let mut job: Job = serde_yaml::from_str(yaml).unwrap();
    job.metadata.name.get_or_insert_with(|| "night-convert".to_owned());
    job.metadata.namespace.get_or_insert_with(|| "attic".to_owned());
    job
}

/// A canned answer.
struct Answer {
    /// How the request's method and path begin.
    begins: String,
    code: u16,
    body: Vec<u8>,
}

/// An apiserver of canned answers, which notes what it is asked.
#[derive(Clone, Default)]
pub struct FakeCluster {
    answers: Arc<Mutex<Vec<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeCluster {
    /// Answers a request whose method and path begin like this, as `GET /api/v1/…`. Later answers go before earlier
    /// ones; what has none gets a 404.
    pub fn answer(self, request: &str, code: u16, body: impl Into<Vec<u8>>) -> Self {
        self.answers.lock().unwrap().insert(0, Answer { begins: request.to_owned(), code, body: body.into() });
        self
    }

    /// As [`FakeCluster::answer`], with a body of JSON and success.
    pub fn json(self, request: &str, body: &Value) -> Self {
        self.answer(request, 200, body.to_string())
    }

    /// What was asked, each as method and path.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A context whose client talks to it. Needs a tokio runtime.
    pub fn context(&self) -> Arc<Context> {
        self.context_with(Apis::default())
    }

    /// As [`FakeCluster::context`], where these of the kinds that not every cluster has are served.
    pub fn context_with(&self, apis: Apis) -> Arc<Context> {
        self.context_of(apis, Config { concurrency: 1, ..Config::with_image("registry.example/converter:1") })
    }

    /// As [`FakeCluster::context`], of an operator that allows nothing which a switch can refuse.
    pub fn strict_context(&self) -> Arc<Context> {
        let config = Config::with_image("registry.example/converter:1");
        self.context_of(
            Apis::default(),
            Config { concurrency: 1, allow_service_account_name: false, allow_host_path: false, ..config },
        )
    }

    fn context_of(&self, apis: Apis, config: Config) -> Arc<Context> {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let (code, body) = fake.reply(&format!("{} {}", request.method(), request.uri()));
            std::future::ready(Response::builder().status(code).body(Body::from(body)))
        });
        Context::new(Shared {
            client: Client::new(service, "default"),
            config,
            metrics: Arc::default(),
            gate: Gate::open(),
            apis: Arc::new(apis),
        })
    }

    fn reply(&self, request: &str) -> (u16, Vec<u8>) {
        self.asked.lock().unwrap().push(request.to_owned());
        let answers = self.answers.lock().unwrap();
        let found = answers.iter().find(|answer| request.starts_with(&answer.begins));
        found.map_or_else(|| (404, failure(404)), |answer| (answer.code, answer.body.clone()))
    }
}

/// The body of an apiserver's refusal.
pub fn failure(code: u16) -> Vec<u8> {
    let reason = if code == 404 { "NotFound" } else { "Other" };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "the words", "reason": reason, "code": code})
        .to_string()
        .into_bytes()
}

/// A list as the apiserver answers it.
pub fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
}
