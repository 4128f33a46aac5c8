//! Settings as variables: every flag is one, and a wrong value ends the server before it begins, by the flag's name.

use std::process::{Command, Output, Stdio};

use clap::{CommandFactory, Parser};
use converter::serve::Args;

use crate::{process::Server, raw::Raw};

#[derive(Parser)]
struct Serve {
    #[command(flatten)]
    args: Args,
}

/// `converter serve` with these variables; ends by itself, or the test would not.
fn serve(variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_converter"))
        .arg("serve")
        .env("FLACSHIP_LISTEN", "127.0.0.1:0")
        .env("FLACSHIP_ADMIN_LISTEN", "127.0.0.1:0")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn every_flag_is_a_variable() {
    let command = Serve::command();
    let mut count = 0;
    for flag in command.get_arguments().filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version")) {
        let name = flag.get_long().unwrap_or_else(|| panic!("{} has no long name", flag.get_id()));
        let variable = format!("FLACSHIP_{}", name.to_uppercase().replace('-', "_"));
        assert_eq!(flag.get_env().and_then(|env| env.to_str()), Some(variable.as_str()), "--{name}");
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn a_wrong_value_is_named_and_ends_the_server() {
    for (variable, value, flag) in [
        ("FLACSHIP_LISTEN", "localhost", "--listen"),
        ("FLACSHIP_LEVEL", "9", "--level"),
        ("FLACSHIP_LEVEL", "", "--level"),
        ("FLACSHIP_VERIFY", "maybe", "--verify"),
        ("FLACSHIP_BLOCK_SIZE", "15", "--block-size"),
        ("FLACSHIP_FLOAT", "32", "--float"),
        ("FLACSHIP_MAX_UPLOAD_SIZE", "2 gigs", "--max-upload-size"),
        ("FLACSHIP_MAX_CONVERSIONS", "0", "--max-conversions"),
        ("FLACSHIP_MAX_STREAMS", "0", "--max-streams"),
        ("FLACSHIP_MAX_RESERVATION", "0s", "--max-reservation"),
        ("FLACSHIP_IDLE_TIMEOUT", "-5s", "--idle-timeout"),
        ("FLACSHIP_LOG_FORMAT", "xml", "--log-format"),
        ("FLACSHIP_OTLP_ENDPOINT", "collector:4318", "--otlp-endpoint"),
        // What only the disk can tell.
        ("FLACSHIP_TOKEN_FILE", "/nowhere/tokens", "--token-file"),
        ("FLACSHIP_STREAM_KEY_FILE", "/nowhere/key", "--stream-key-file"),
        ("FLACSHIP_SPOOL_DIR", "/nowhere", "--spool-dir"),
        // OpenTelemetry's own.
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ] {
        let ended = serve(&[(variable, value)]);
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{variable}={value}: {told}");
        assert!(told.contains(flag), "{variable}={value}: {told}");
    }
}

#[tokio::test]
async fn a_low_limit_of_open_files_is_raised_and_one_that_cannot_be_is_told() {
    let server = |limits: &str, flags: &[&str], log: Stdio| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_converter")]);
        Server::start_by(command, "127.0.0.1:0", flags, log)
    };
    let raised = server("ulimit -S -n 64", &["--max-streams", "100"], Stdio::null());
    let mut connections = Vec::new();
    for _ in 0..100 {
        let mut connection = Raw::connect(raised.address).await;
        connection.head("GET /healthz", "").await;
        assert!(connection.answer().await.0.starts_with("HTTP/1.1 200"));
        connections.push(connection);
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let _low = server("ulimit -n 64", &["--max-streams", "64"], log.reopen().unwrap().into());
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("fewer open files than streams"), "{log}");
}
