//! The page in a real browser: Debian's Chromium against a real server in the test's own process, on loopback. No
//! cluster, no network; `make test` runs them, and so does `cargo test -p e2e --test browser`.
//!
//! Every wait ends at the event waited for; its deadline only bounds a failure. Screenshots and what a failure leaves go
//! to `artifacts/<test>/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod support;

mod access;
mod cors;
mod files;
mod live;
mod modules;
mod secure;
mod service;
mod trouble;
mod wire;
