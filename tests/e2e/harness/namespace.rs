//! A namespace a test, which enforces the restricted Pod Security Standard and goes away with the test.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{artifacts, kubectl, wait};

/// A namespace; dropping it deletes it, after a panic with everything that helps to find out why in `artifacts/`.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates one whose pods must meet the restricted standard.
    pub fn restricted(subject: &str) -> Self {
        Self::create(subject, "restricted")
    }

    /// Creates one whose pods may do anything.
    pub fn privileged(subject: &str) -> Self {
        Self::create(subject, "privileged")
    }

    fn create(subject: &str, level: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::named(format!("e2e-{subject}-{:06x}", now.as_micros() % 0x0100_0000), subject, level)
    }

    /// Creates the one of this name, which no other test may have at the time.
    pub fn called(name: &str) -> Self {
        Self::named(name.to_owned(), name, "restricted")
    }

    fn named(name: String, subject: &str, level: &str) -> Self {
        let manifest = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    "pod-security.kubernetes.io/enforce": level,
                    "flacship.dev/e2e": subject,
                },
            },
        });
        kubectl::run("create -f -", Some(&manifest.to_string())).unwrap();
        Self { name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl in it; panics if that fails.
    pub fn kubectl(&self, line: &str) -> String {
        self.try_kubectl(line).unwrap()
    }

    /// Runs kubectl in it.
    pub fn try_kubectl(&self, line: &str) -> kubectl::Said {
        kubectl::run(&format!("-n {} {line}", self.name), None)
    }

    /// `kubectl apply`; panics if that fails.
    pub fn apply(&self, manifest: &Value) {
        self.try_apply(manifest).unwrap();
    }

    /// `kubectl apply`.
    pub fn try_apply(&self, manifest: &Value) -> kubectl::Said {
        kubectl::run(&format!("-n {} apply -f -", self.name), Some(&manifest.to_string()))
    }

    /// `kubectl patch --type=merge`.
    pub fn patch(&self, object: &str, patch: &Value) {
        self.patch_as("merge", object, patch);
    }

    /// `kubectl patch` of the given type.
    pub fn patch_as(&self, type_: &str, object: &str, patch: &Value) {
        let (type_, patch) = (format!("--type={type_}"), patch.to_string());
        kubectl::run_words(&["-n", &self.name, "patch", object, &type_, "-p", &patch], None).unwrap();
    }

    /// The object as JSON, if it exists.
    pub fn find(&self, object: &str) -> Option<Value> {
        let words = ["-n", &self.name, "get", object, "-o", "json", "--ignore-not-found"];
        let text = kubectl::run_quietly(&words, None).unwrap();
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).expect("kubectl writes JSON"))
    }

    /// The object as JSON.
    pub fn get(&self, object: &str) -> Value {
        self.find(object).unwrap_or_else(|| panic!("{object} does not exist in {}", self.name))
    }

    /// The objects of a kind as JSON.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        self.list_chosen(kind, "")
    }

    /// The objects of a kind that a label selector chooses.
    pub fn list_chosen(&self, kind: &str, selector: &str) -> Vec<Value> {
        let text = kubectl::run_quietly(&["-n", &self.name, "get", kind, "-l", selector, "-o", "json"], None).unwrap();
        let list: Value = serde_json::from_str(&text).expect("kubectl writes JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// `kubectl wait --for=…`; panics at the deadline.
    pub fn wait_for(&self, object: &str, what: &str, deadline: Duration) {
        self.kubectl(&format!("wait {object} --for={what} --timeout={}s", deadline.as_secs()));
    }

    /// Waits until there is no object of a kind.
    pub fn until_gone(&self, kind: &str) {
        wait::until(&format!("no {kind} are left"), wait::STEP, || {
            let names: Vec<String> =
                self.list(kind).iter().map(|object| object["metadata"]["name"].to_string()).collect();
            if names.is_empty() { Ok(()) } else { Err(names.join(", ")) }
        });
    }

    /// Reads the object until `ready` finds in it what it looks for.
    pub fn until<T>(&self, what: &str, object: &str, deadline: Duration, ready: impl Fn(&Value) -> Option<T>) -> T {
        wait::until(&format!("{object}: {what}"), deadline, || {
            let value = self.find(object).ok_or_else(|| "does not exist".to_owned())?;
            ready(&value).ok_or_else(|| wait::brief(&value))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            artifacts::describe(&self.name);
        }
        // Not waited for: nothing that a later test looks at is in here.
        kubectl::run(&format!("delete namespace {} --wait=false", self.name), None);
    }
}
