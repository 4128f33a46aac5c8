//! Room at the start of a file for a head that grew: everything behind the old one is moved towards the end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes moved at once.
const PIECE: usize = 256 * 1024;

/// Moves all that lies from `from` on so that it begins at `to`, which is not before it. Begins at the end, so that
/// nothing is written over before it was read.
pub(super) fn make_room(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut end = file.metadata()?.len();
    let mut piece = vec![0; PIECE];
    while end > from {
        let count = usize::try_from(end - from).unwrap_or(PIECE).min(PIECE);
        end -= count as u64;
        let moved = piece.get_mut(..count).unwrap_or_default();
        file.read_exact_at(moved, end)?;
        file.write_all_at(moved, to + (end - from))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn everything_behind_the_head_moves() {
        for (length, from, to) in [(0, 0, 5), (10, 10, 12), (1_000_000, 42, 43), (700_000, 100, 600_000), (9, 3, 3)] {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            make_room(&file, from, to).unwrap();
            let mut moved = vec![0; bytes.len() - usize::try_from(from).unwrap()];
            file.read_exact_at(&mut moved, to).unwrap();
            assert!(moved == bytes[usize::try_from(from).unwrap()..], "{length} {from} {to}");
        }
    }
}
