//! A proxy between an operator and its apiserver, without the I/O: what a request asks for, which of them a fault hits,
//! and which rights were used.
//!
//! The end-to-end tests put a reverse proxy around it (`e2e/harness/proxy.rs`).

mod request;
pub mod rights;
mod rules;

pub use request::{Kind, Request, Verb};
pub use rules::{Answer, Fault, Judge, Rule, Side, When, Which};
