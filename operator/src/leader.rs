//! Leader election: of several operators one writes, the others stand by with full caches.
//!
//! [`election`] keeps a Lease, [`plan`] decides what to do with it, and [`gate`] is asked by the client before each single
//! write (see [`crate::transport`]), so that no call site can forget it. Why it is made like this, and what it can and
//! cannot promise, stands in `docs/adr/0011-a-gate-before-each-write.md`.

pub mod election;
pub mod gate;
pub mod moment;
pub mod plan;

pub use election::{Election, Settings};
pub use gate::{Gate, NotLeading};
pub use moment::Moment;
