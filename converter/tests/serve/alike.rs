//! The command, `/convert` and `/ws` over the same catalogue: the same samples, or the same refusal in the same words.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use futures::FutureExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use converter::wav::Rules;

use crate::{
    harness::{Service, post, problem},
    stream::Client,
    support::{Fixture, fixtures, spoiled_padding},
};

/// Why an input was refused.
#[derive(Debug, PartialEq)]
struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    fn of(told: &Value, message: &str) -> Self {
        let word = |key: &str| told[key].as_str().unwrap().to_owned();
        Self { code: word("code"), message: word(message) }
    }
}

/// What the command made of many files in one run: for each an object, and its FLAC file's place.
struct Commanded {
    folder: tempfile::TempDir,
    told: Vec<Value>,
}

impl Commanded {
    fn over(files: &[&[u8]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..files.len()).map(|number| format!("{number:03}.wav")).collect();
        for (name, bytes) in names.iter().zip(files) {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_converter"));
        let output = command.args(["convert", "--json"]).args(&names).current_dir(folder.path()).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let told: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let failed = told[..files.len()].iter().any(|one| one["status"] == "failed");
        assert_eq!(output.status.code(), Some(failed.into()));
        assert_eq!(told.len(), files.len() + usize::from(files.len() > 1), "a line for each, and the summary");
        Self { folder, told }
    }

    fn flac(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("{number:03}.flac"))
    }

    fn refusal(&self, number: usize) -> Refusal {
        assert_eq!(self.told[number]["status"], "failed");
        assert!(!self.flac(number).exists());
        Refusal::of(&self.told[number]["error"], "message")
    }
}

/// Everything that a stream of this file brings.
async fn stream(service: &Service, wav: &[u8]) -> Client {
    let mut client = Client::connect(service.address).await;
    for piece in wav.chunks(50_000) {
        // A server that has refused the file may take no more of it.
        if client.try_send(Message::binary(piece.to_vec())).await.is_err() {
            break;
        }
        // What has come is taken, so that neither side waits for the other.
        while client.take().now_or_never() == Some(true) {}
    }
    let _ = client.try_send(Message::text(r#"{"type":"end"}"#)).await;
    client.rest().await
}

async fn streamed_refusal(service: &Service, wav: &[u8]) -> (Refusal, u16) {
    let client = stream(service, wav).await;
    let last = client.said.last().unwrap();
    assert_eq!(last["type"], "error", "{last}");
    (Refusal::of(last, "message"), client.closed.unwrap())
}

/// Status of an answer and code of a close, for each code of a refusal.
fn protocol_codes(code: &str) -> (u16, u16) {
    match code {
        "empty_input" | "truncated_header" => (400, 1007),
        "not_wav" | "unsupported_encoding" | "unsupported_channels" | "unsupported_rate" | "unsupported_bits" => {
            (415, 1003)
        }
        "contradicting_header" | "padding_not_zero" | "high_bits_not_empty" => (422, 1007),
        other => panic!("{other} has no status here"),
    }
}

#[tokio::test]
async fn every_refusal_is_the_same_everywhere() {
    let refused: Vec<Fixture> = fixtures()
        .into_iter()
        .filter(|fixture| fixture.rules == Rules::default() && fixture.expected.is_err())
        .collect();
    assert!(refused.len() >= 70, "only {}", refused.len());
    let files: Vec<&[u8]> = refused.iter().map(|fixture| fixture.bytes.as_slice()).collect();
    let commanded = Commanded::over(&files);
    let service = Service::start(&[]).await;
    for (number, Fixture { name, bytes, expected, .. }) in refused.iter().enumerate() {
        let told = commanded.refusal(number);
        assert_eq!(&told.code, expected.as_ref().unwrap_err(), "{name}");
        let (status, close) = protocol_codes(&told.code);

        let answer = problem(post(&service, "", bytes.clone()).await).await;
        assert_eq!(answer["status"], status, "{name}");
        let posted = Refusal::of(&answer, "detail");
        if bytes.is_empty() {
            // A request without a body is told how to send one.
            assert_eq!(posted.code, told.code, "{name}");
        } else {
            assert_eq!(posted, told, "{name}");
        }
        assert_eq!(streamed_refusal(&service, bytes).await, (told, close), "{name}");
    }
}

#[tokio::test]
async fn a_padding_bit_in_the_middle_of_a_long_file_is_refused_everywhere() {
    let (wav, _) = spoiled_padding();
    let told = Commanded::over(&[&wav]).refusal(0);
    assert_eq!(told.code, "padding_not_zero");
    let service = Service::start(&[]).await;
    let answer = problem(post(&service, "", wav.clone()).await).await;
    assert_eq!((&answer["status"], &answer["title"]), (&422.into(), &"padding not zero".into()));
    assert_eq!(Refusal::of(&answer, "detail"), told);
    assert_eq!(streamed_refusal(&service, &wav).await, (told, 1007));
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
}

#[tokio::test]
async fn what_is_taken_is_the_same_everywhere() {
    let taken: Vec<Fixture> = fixtures()
        .into_iter()
        .filter(|fixture| fixture.rules == Rules::default() && fixture.expected.is_ok())
        .collect();
    let taken: Vec<_> = taken.iter().step_by(taken.len() / 60).collect();
    assert!(taken.len() >= 60, "only {}", taken.len());
    let files: Vec<&[u8]> = taken.iter().map(|fixture| fixture.bytes.as_slice()).collect();
    let commanded = Commanded::over(&files);
    let service = Service::start(&[]).await;
    for (number, Fixture { name, bytes, .. }) in taken.iter().enumerate() {
        let told = &commanded.told[number];
        assert_eq!(told["status"], "converted", "{name}");

        let answer = post(&service, "", bytes.clone()).await;
        assert_eq!(answer.status(), 200, "{name}");
        let posted = answer.bytes().await.unwrap();
        assert!(posted == fs::read(commanded.flac(number)).unwrap(), "{name}: other bytes");

        let client = stream(&service, bytes).await;
        let done = client.message("done");
        for same in ["md5", "samples", "bytes_in", "subset", "warnings"] {
            assert_eq!(done[same], told[same], "{name}: {same}");
        }
        // The frames are the same too: only the heads may differ in length.
        let frames = client.frames.get(1..).unwrap_or_default().concat();
        assert!(posted.ends_with(&frames), "{name}: other frames");
    }
}
