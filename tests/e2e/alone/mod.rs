//! Tests that need the cluster for themselves: they take its operator away, restart what it runs on, or change which kinds it
//! has. `make e2e` runs them one after another, and the others several at a time; a module named `alone` elsewhere counts too.

pub mod faults;
mod kinds;
mod leader;
mod metrics;
mod modes;
mod restart;
mod unreadable;
