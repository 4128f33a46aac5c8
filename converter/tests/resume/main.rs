//! Streams that are broken off and gone on with by another conversion, which knows of the first one only what its
//! checkpoint's bytes say: what the client saved, cut to where the checkpoint stands, and what came later are together the
//! very bytes of a stream that was never broken off, and decode to the samples that were sent.

#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_precision_loss)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod anything;
mod bytes;
mod counts;
mod harness;
mod heads;
mod places;
mod sounds;
