//! Flacship's operator: one controller a kind, and what the two share.
//!
//! A kind's folder holds five steps, a file a step: `validate → build → apply → observe → status`. Only `apply`,
//! `observe` and `status` touch the client. What both kinds need (labels, names, server-side apply, conditions,
//! Events, metrics, the loop around a reconcile) lives beside the folders, once.

pub mod admin;
pub mod apis;
pub mod apply;
pub mod args;
pub mod ask;
pub mod audioconverter;
pub mod backoff;
pub mod children;
pub mod client;
pub mod conditions;
pub mod context;
pub mod conversionjob;
pub mod diff;
pub mod driver;
pub mod encoding;
pub mod errors;
pub mod events;
pub mod fields;
pub mod foreign;
pub mod invalid;
pub mod labels;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod own_writes;
pub mod pods;
pub mod quantity;
pub mod run;
pub mod scope;
pub mod status;
pub mod telemetry;
pub mod transport;
