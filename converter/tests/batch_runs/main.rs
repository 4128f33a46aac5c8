//! `converter batch` as a user and the operator meet it: the real binary over real folders.
//!
//! `stages` runs plan, work and report over good and bad files, `whole` all three in one command; `planning` looks at the
//! plan's edges; `at_once` has several files and workers at the same time; `resume` kills, stops and cuts; `sources` lets
//! sources go; `durable` looks at the order in which things get to the disk; `troubles` has changing files and full disks; `mistakes` gets things wrong; `rights` lacks permissions;
//! `choices` asks for other than the defaults; `docs` holds the page to its word. Rules of single parts are tested beside the
//! code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod at_once;
mod choices;
mod docs;
mod durable;
mod mistakes;
mod planning;
mod resume;
mod rights;
mod sources;
mod stages;
mod tree;
mod troubles;
mod whole;
