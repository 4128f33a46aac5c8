//! The converter's core against other people's programs and its own promises: what it writes decodes, with a decoder
//! in this process and with the reference `flac` (Debian package `flac`, without which these tests fail), to what was
//! read; files appear whole or not at all; the command line does what its help says.

#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_precision_loss)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared with suites that use more of it")]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod cli;
mod cli_folders;
mod cli_report;
mod cli_shell;
mod cli_stop;
mod docs;
mod file;
mod fixtures;
mod foreign;
mod growing;
mod metadata;
mod padding;
mod reference;
mod roundtrip;
mod signals;
mod tools;
