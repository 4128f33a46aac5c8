//! What the fuzz targets share: inputs with structure, since bytes at random seldom get past a header, and judges of
//! what comes out.
//!
//! A finding becomes a unit test of the code that it is about; nothing here is kept for old findings.

pub mod choices;
pub mod cuts;
pub mod judge;
pub mod panics;
pub mod sound;
pub mod wav;
