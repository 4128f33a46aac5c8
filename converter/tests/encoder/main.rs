//! The encoder of frames, with every engine, over every shape that FLAC has and sounds of every kind: what it makes
//! decodes to what went in with four decoders (`flac` and `ffmpeg`, Debian's packages of these names, without which
//! these tests fail; flac-codec; our own), its bytes are the same on any CPU and with any number of threads, and no
//! frame is larger than its samples.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod alike;
mod anything;
mod case;
mod edges;
mod judges;
mod lengths;
mod loudness;
mod rates;
mod refusals;
mod shapes;
mod sizes;
mod sounds;
