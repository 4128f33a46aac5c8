//! The running server against what it tells of itself in `/openapi.json`: schemathesis asks it everything that the
//! contract allows, and much that it does not.

use std::{path::PathBuf, process::Command};

use crate::harness::{Service, get};

/// Where `make deps-test` puts it.
fn schemathesis() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("tools/schemathesis/bin/schemathesis")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_that_the_contract_tells() {
    let service = Service::start(&[]).await;
    let program = schemathesis();
    assert!(program.exists(), "{} is not there: run `make deps-test`", program.display());
    // It keeps notes where it runs.
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program.canonicalize().unwrap());
    command
        .current_dir(folder.path())
        .args(["run", &service.url("/openapi.json"), "--no-color", "--generation-deterministic"])
        .args(["--max-examples", "50", "--checks", "all"])
        // Any bytes are a body by the contract, and few of them a WAV.
        .args(["--exclude-checks", "positive_data_acceptance"])
        // No HTTP client gets further than the handshake: see `stream`.
        .args(["--exclude-path", "/ws"]);
    let tried = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&tried.stdout);
    assert!(tried.status.success(), "{told}\n{}", String::from_utf8_lossy(&tried.stderr));
    assert!(told.contains("Operations:       5 selected / 6 total"), "all routes are tried: {told}");
    let (status, _) = get(&service.url("/healthz")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_contract_has_every_public_route() {
    let service = Service::start(&[]).await;
    let (status, text) = get(&service.url("/openapi.json")).await;
    assert_eq!(status, 200);
    let contract: serde_json::Value = serde_json::from_str(&text).unwrap();
    for path in ["/", "/convert", "/ws", "/status", "/healthz", "/openapi.json", "/docs"] {
        assert!(contract["paths"][path].is_object(), "{path}");
    }
    let (status, page) = get(&service.url("/docs")).await;
    assert!(status == 200 && page.contains("/openapi.json") && !page.contains("https://"), "{page}");
}
