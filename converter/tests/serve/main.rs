//! The service as its clients meet it: a real server on loopback ports, real sockets, every answer checked against the
//! samples that went in.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared with suites that use more of it")]
mod process;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with suites that use more of it")]
#[allow(clippy::pedantic)]
mod support;

mod alike;
mod answers;
mod auth;
mod bad_input;
mod certificates;
mod check;
mod choices;
mod contract;
mod convert;
mod cors;
mod early;
mod exposition;
mod faults;
mod harness;
mod kills;
mod limits;
mod log;
mod many;
mod metrics;
mod old_way;
mod page;
mod progressive;
mod raw;
mod reserve;
mod resume;
mod settings;
mod stop;
mod stream;
mod stream_errors;
mod stream_limits;
mod tls;
mod tokens;
mod traces;
