//! Asks the API server with the cluster's own kubectl, as administrator, inside the namespace.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::layout::Layout;
use super::netns;

/// Runs kubectl with `input` on its standard input; gives its output.
pub fn run(layout: &Layout, arguments: &[&str], input: &str) -> Result<String> {
    let output = netns::inside(layout, || {
        let mut child = Command::new(&layout.kubectl)
            .arg("--kubeconfig")
            .arg(&layout.kubeconfig)
            .arg("--cache-dir")
            .arg(layout.state("kubectl-cache"))
            .arg("--request-timeout=10s")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).context("write to kubectl")?;
        }
        Ok(child.wait_with_output()?)
    })?;
    if !output.status.success() {
        bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The object at an API path, or nothing if it cannot be had, for whatever reason: for polling.
pub fn object(layout: &Layout, path: &str) -> Option<Value> {
    let text = run(layout, &["get", "--raw", path], "").ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether the object's status has the condition `kind` with status `True`.
pub fn condition(object: &Value, kind: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == "True"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_true_condition_counts() {
        let object = json!({"status": {"conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Fine", "status": "Unknown"}]}});
        assert!(condition(&object, "Ready"));
        assert!(!condition(&object, "Fine") && !condition(&object, "Else") && !condition(&json!({}), "Ready"));
    }
}
