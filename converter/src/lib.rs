//! The Flacship converter: WAV in, FLAC out.
//!
//! [`convert`] holds the one path from input bytes to FLAC frames; the command line ([`cli`]), the service
//! ([`serve`]) and the batch workers ([`batch`]) all drive it; `client` has a service drive it. [`wav`] reads the input's container, [`flac`] writes
//! and verifies the output, [`meta`] keeps what an input says beside its audio, [`restore`](mod@restore) builds the
//! same input again, [`file`](mod@file) turns one file into another safely, [`interrupt`] ends the process on a signal
//! without leaving half files. [`bytesize`] is how sizes are written on every command line.

pub mod batch;
pub mod bytesize;
pub mod cli;
mod client;
pub mod convert;
pub mod file;
pub mod flac;
pub mod interrupt;
pub mod meta;
pub mod restore;
pub mod serve;
pub mod wav;

// The tests' fixtures name this crate as they do from outside.
#[cfg(test)]
extern crate self as converter;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
