//! Refusals that come while the upload still goes, as curl sees them: the status and the problem, never a reset.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::harness::Service;

/// What curl says: its exit code, the status, how much it sent, and the problem.
fn curl(args: &[&str], url: &str) -> (i32, u16, u64, Value) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--write-out", "\n%{http_code} %{size_upload}"])
        .args(args)
        .arg(url)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, told) = text.rsplit_once('\n').unwrap();
    let (status, sent) = told.split_once(' ').unwrap();
    let problem = serde_json::from_str(body).unwrap_or_else(|error| panic!("{args:?}: {error} in {body}"));
    (output.status.code().unwrap(), status.parse().unwrap(), sent.parse().unwrap(), problem)
}

/// A file of text that no socket buffer holds.
fn large(folder: &Path) -> String {
    let path = folder.join("large");
    fs::write(&path, vec![b'x'; 40_000_000]).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_sees_every_early_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let large = large(folder.path());
    let service = Service::start(&["--max-upload-size", "20Mi"]).await;
    let open = Service::start(&[]).await;
    let (data, form, upload) = (format!("@{large}"), format!("file=@{large}"), large.as_str());
    // Without Expect curl sends at once, and goes on while the refusal comes.
    let at_once = "Expect:";
    let chunked = "Transfer-Encoding: chunked";
    for (service, args, path, status, code) in [
        (&open, vec!["-H", at_once, "--data-binary", &data], "/convert", 415, "not_wav"),
        (&open, vec!["-H", at_once, "-F", &form], "/convert", 415, "not_wav"),
        (&open, vec!["-H", at_once, "-H", chunked, "-X", "POST", "-T", upload], "/convert", 415, "not_wav"),
        (&open, vec!["-H", at_once, "--data-binary", &data], "/convert?progressive=true", 415, "not_wav"),
        (&open, vec!["-H", at_once, "--data-binary", &data], "/convert?level=99", 400, "invalid_option"),
        (&open, vec!["-H", at_once, "--data-binary", &data], "/nowhere", 404, "not_found"),
        (&open, vec!["-0", "--data-binary", &data], "/convert", 415, "not_wav"),
        (&service, vec!["-H", at_once, "--data-binary", &data], "/convert", 413, "too_large"),
        (&service, vec!["-H", at_once, "-F", &form], "/convert", 413, "too_large"),
    ] {
        let url = service.url(path);
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let told =
            tokio::task::spawn_blocking(move || curl(&args.iter().map(String::as_str).collect::<Vec<_>>(), &url));
        let (exit, got, _, problem) = told.await.unwrap();
        assert_eq!((exit, got), (0, status), "{path}: {problem}");
        assert_eq!(problem["code"], code);
        assert_eq!(problem["error"], problem["detail"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_sends_nothing_where_it_asks_first() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("@{}", large(folder.path()));
    let service = Service::start(&["--max-upload-size", "20Mi"]).await;
    for (path, status) in [("/convert", 413), ("/convert?level=99", 400), ("/nowhere", 404)] {
        let (url, data) = (service.url(path), data.clone());
        // It waits for the answer as long as it takes.
        let args = ["--expect100-timeout", "60", "-H", "Expect: 100-continue", "--data-binary"];
        let told = tokio::task::spawn_blocking(move || curl(&[&args[..], &[&data]].concat(), &url));
        let (exit, got, sent, _) = told.await.unwrap();
        assert_eq!((exit, got, sent), (0, status, 0), "{path}");
    }
}
