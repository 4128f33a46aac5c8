//! `converter batch` as a user and the operator meet it: the real binary over real folders.
//!
//! `stages` runs plan, work and report over good and bad files; `resume` kills, stops and cuts; `mistakes` gets things
//! wrong; `rights` lacks permissions; `choices` asks for other than the defaults. Rules of single parts are tested beside the code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod choices;
mod mistakes;
mod resume;
mod rights;
mod stages;
mod tree;
