//! Flacship's API: the two resource kinds of `flacship.dev/v1alpha1`, the parts of their specs that they
//! share, and the names of conditions and reasons.
//!
//! Only types, schemas and rules live here: no client, no I/O. The doc comment of each field is the text
//! that `kubectl explain` shows, so it speaks to whoever writes a manifest.

pub mod audioconverter;
pub mod bytesize;
pub mod conditions;
pub mod conversionjob;
pub mod duration;
pub mod manifest;
pub mod podtemplate;
pub mod schema;
pub mod shared;

pub use audioconverter::{AudioConverter, AudioConverterSpec, AudioConverterStatus};
pub use bytesize::ByteSize;
pub use conversionjob::{ConversionJob, ConversionJobSpec, ConversionJobStatus};
pub use duration::Time;

/// The API group of both kinds, and the prefix of every label and annotation of ours.
pub const GROUP: &str = "flacship.dev";
