//! The `ds64` chunk, which gives RF64 and BW64 the sizes that 32 bits cannot hold (EBU Tech 3306, ITU-R BS.2088).
//!
//! A size in it counts only where the 32-bit field says 0xFFFFFFFF; any other 32-bit value is used as it is.

use super::WavError;

/// Sizes of the file and of the data chunk, number of samples: what every `ds64` has. Their table follows.
const FIXED: usize = 24;
/// One row of the table: a chunk's name and its size.
const ROW: usize = 12;
/// More chunks of over 4 GiB than a file will have.
pub(crate) const MAX_ROWS: usize = 64;

/// What a `ds64` chunk says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Bytes of audio.
    pub data: u64,
    /// Chunks and the bytes of their bodies, at most [`MAX_ROWS`].
    pub table: Vec<([u8; 4], u64)>,
}

/// The 64-bit sizes, read as the chunk's bytes arrive.
#[derive(Debug, Clone, Default)]
pub(super) struct Ds64 {
    data_size: Option<u64>,
    table: Vec<([u8; 4], u64)>,
    /// Rows that the table claims to have beyond those read; `None` before its length has been read.
    rows_left: Option<u32>,
    pending: Vec<u8>,
}

impl Ds64 {
    /// Sizes that were read before.
    pub(super) fn of(sizes: &Sizes) -> Self {
        Self { data_size: Some(sizes.data), table: sizes.table.clone(), rows_left: Some(0), pending: Vec::new() }
    }

    /// All that can be asked for once the chunk has ended.
    pub(super) fn sizes(&self) -> Sizes {
        Sizes { data: self.data_size(), table: self.table.clone() }
    }

    /// Takes the next bytes of the chunk's body.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        loop {
            let wanted = match (self.data_size, self.rows_left) {
                (None, _) => FIXED,
                (Some(_), None) => size_of::<u32>(),
                (Some(_), Some(1..)) if self.table.len() < MAX_ROWS => ROW,
                _ => return,
            };
            let missing = wanted.saturating_sub(self.pending.len()).min(bytes.len());
            let (next, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.pending.extend_from_slice(next);
            bytes = rest;
            if self.pending.len() < wanted {
                return;
            }
            self.read_pending();
            self.pending.clear();
        }
    }

    /// As many bytes are pending as the next field needs.
    fn read_pending(&mut self) {
        let pending = self.pending.as_slice();
        match self.rows_left {
            _ if self.data_size.is_none() => self.data_size = u64_at(pending, 8),
            None => self.rows_left = pending.first_chunk().map(|rows| u32::from_le_bytes(*rows)),
            Some(rows) => {
                self.rows_left = Some(rows.saturating_sub(1));
                let row = pending.first_chunk::<4>().zip(u64_at(pending, 4));
                self.table.extend(row.map(|(name, size)| (*name, size)));
            }
        }
    }

    /// Checks, at the chunk's end, that it held what it must.
    pub(super) fn check(&self) -> Result<(), WavError> {
        if self.data_size.is_some() {
            return Ok(());
        }
        Err(WavError::Contradiction {
            what: format!(
                "the ds64 chunk, which holds the file's sizes, is shorter than {FIXED} bytes: the header is damaged, \
                 write the file again"
            ),
        })
    }

    /// Bytes of audio.
    pub(super) fn data_size(&self) -> u64 {
        self.data_size.unwrap_or(0)
    }

    /// Bytes of another chunk's body, if the table has it.
    pub(super) fn size_of(&self, name: [u8; 4]) -> Option<u64> {
        self.table.iter().find(|(other, _)| *other == name).map(|(_, size)| *size)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|field| u64::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(rows: u32, table: &[([u8; 4], u64)]) -> Vec<u8> {
        let mut body: Vec<u8> = [7_u64, 5 << 32, 3].iter().flat_map(|size| size.to_le_bytes()).collect();
        body.extend(rows.to_le_bytes());
        for (name, size) in table {
            body.extend(name);
            body.extend(size.to_le_bytes());
        }
        body
    }

    #[test]
    fn reads_sizes_in_any_split() {
        let body = body(2, &[(*b"bext", 1 << 40), (*b"LIST", 9), (*b"more", 1)]);
        for step in 1..=body.len() {
            let mut sizes = Ds64::default();
            body.chunks(step).for_each(|bytes| sizes.take(bytes));
            assert_eq!(sizes.check(), Ok(()));
            assert_eq!(sizes.data_size(), 5 << 32);
            assert_eq!(sizes.size_of(*b"bext"), Some(1 << 40));
            assert_eq!(sizes.size_of(*b"LIST"), Some(9));
            assert_eq!(sizes.size_of(*b"more"), None, "beyond the claimed rows");
        }
    }

    #[test]
    fn a_table_is_never_larger_than_sixty_four_rows() {
        let mut sizes = Ds64::default();
        sizes.take(&body(u32::MAX, &[(*b"many", 1); 1000]));
        assert_eq!(sizes.table.len(), MAX_ROWS);
        assert!(sizes.pending.is_empty());
    }

    #[test]
    fn a_chunk_without_the_data_size_is_refused() {
        let mut sizes = Ds64::default();
        sizes.take(&[0; FIXED - 1]);
        assert_eq!(sizes.check().map_err(|error| error.code()), Err("contradicting_header"));
        let mut without_table = Ds64::default();
        without_table.take(&[0; FIXED]);
        assert_eq!(without_table.check(), Ok(()));
    }
}
