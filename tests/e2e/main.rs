//! The end-to-end tests: real kubectl, browser, HTTP, WebSocket and volumes against the local cluster that `make up`
//! starts. `make e2e` runs them inside the cluster's network namespace, several at a time, those in
//! `alone` one after another.
//!
//! One module a subject; what they share lives in `harness`. Every wait ends at the event waited for; its deadline only
//! bounds a failure. A test that fails leaves logs and descriptions in `artifacts/<test>/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alone;
mod batch;
mod bounds;
mod children;
mod convert;
mod exposure;
mod harness;
mod healing;
mod idle;
mod jobs;
mod names;
mod page;
mod people;
mod refusals;
mod removal;
mod rest;
mod restricted;
mod resume;
mod rights;
mod samples;
mod scaling;
mod stream;
mod streams;
mod troubles;
#[cfg(feature = "upgrade")]
mod upgrade;
mod victims;
