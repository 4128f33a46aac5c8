//! Inputs in pieces of any length.

use arbitrary::Arbitrary;

/// Lengths of pieces, over and over again.
#[derive(Arbitrary, Debug, Clone)]
pub struct Cuts {
    lengths: Vec<u8>,
    /// Makes all pieces longer.
    coarse: bool,
}

impl Cuts {
    /// Hands `bytes` to `take` piece by piece, empty ones among them, until it returns an error.
    pub fn feed<E>(&self, mut bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut lengths = self.lengths.iter().cycle();
        // Pieces of no length only would never end.
        let mut empty = 0;
        while !bytes.is_empty() {
            let length = lengths.next().map_or(usize::MAX, |length| usize::from(*length));
            let length = if self.coarse { length.saturating_mul(257) } else { length };
            empty = if length == 0 { empty + 1 } else { 0 };
            let (now, later) = bytes.split_at(length.max(usize::from(empty > 3)).min(bytes.len()));
            take(now)?;
            bytes = later;
        }
        Ok(())
    }
}
