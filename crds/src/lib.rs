//! The API types.
