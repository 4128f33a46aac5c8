//! The reference client of `/ws` (DESIGN §3): sends audio, saves the FLAC that comes back, and goes on by itself after a
//! lost connection. `converter stream` drives it.
//!
//! [`session`] is the protocol as a state machine and [`plan`] what follows a lost connection, both without input or
//! output; [`meant`] digests what is sent; [`input`] and [`output`] are the two ends, [`address`] and [`connect`] the way
//! to the service. [`stream`] ties them together.

pub mod address;
mod check;
pub mod connect;
pub mod error;
pub mod input;
mod kept;
pub mod meant;
pub mod messages;
mod outgoing;
pub mod output;
pub mod plan;
mod run;
pub mod session;
mod settings;

pub use address::Address;
pub use check::check_file;
pub use connect::Connections;
pub use error::StreamError;
pub use input::Input;
pub use messages::Start;
pub use output::Output;
pub use run::{Finished, stream};
pub use settings::{Event, Pace, Settings};
