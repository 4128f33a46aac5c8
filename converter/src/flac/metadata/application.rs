//! APPLICATION (RFC 9639 §8.4): bytes of another program, under its registered name.

use super::block::LARGEST_BODY;

/// An APPLICATION block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The program's name.
    pub id: [u8; 4],
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Application {
    /// The most bytes of data that one block can hold.
    pub const MAX_DATA: usize = LARGEST_BODY - 4;

    /// The block's body.
    pub(super) fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.data.len() + self.id.len());
        body.extend(self.id);
        body.extend(&self.data);
        body
    }
}
