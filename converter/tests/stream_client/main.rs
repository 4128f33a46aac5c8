//! `converter stream` against real `converter serve` processes on loopback, with a proxy between them that cuts
//! connections at chosen bytes, and against services made up by a test that do what ours does not.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared with suites that use more of it")]
mod process;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with suites that use more of it")]
#[allow(clippy::pedantic)]
mod support;

mod cuts;
mod fake;
mod harness;
mod made_up;
mod plain;
mod proxy;
mod refusals;
mod reserved;
mod stops;
