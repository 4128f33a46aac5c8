//! ConversionJobs on real volumes: many files and bad ones, what a person and others may do to a run, where files come from
//! and go to, and what happens to batch runs at night.

mod life;
mod many;
mod nights;
mod others;
#[cfg(feature = "overhead")]
mod overhead;
mod places;
