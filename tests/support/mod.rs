//! What the end-to-end tests and the browser tests share: a browser, waits, a folder for what a failure leaves.

pub mod artifacts;
pub mod browser;
pub mod wait;
