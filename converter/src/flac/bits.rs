//! Bits into bytes, the highest first, as every field of FLAC is written.
//!
//! Where a field ends is hard to foresee for a CPU, so no branch depends on it: each field, of whatever size, is one
//! store of eight bytes, which covers the byte that the field before has begun, and as much as is not reached by the
//! fields so far is stored over by the next.

/// The most bits that one store takes beside the up to seven that its first byte has already.
pub(super) const STORE_BITS: u32 = 57;
/// Bytes of a store.
const STORE: usize = 8;

/// Collects bits.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    /// Room that is written to before it counts. It grows with what is written, and is kept.
    room: Vec<u8>,
    end: End,
}

/// Where the next field goes.
#[derive(Debug, Default, Clone, Copy)]
struct End {
    /// The bytes before that are full.
    full: usize,
    /// Bits in the byte after them, fewer than 8. The rest of it is zero.
    held: u32,
    /// The last bits that were put, in the lowest places: those held among them. What is above is of no meaning.
    recent: u64,
}

impl End {
    /// See [`Run::put`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // into kernels that are compiled for other CPUs than this function would be
    fn put<const FIELDS: usize>(&mut self, room: &mut Vec<u8>, fields: [(u64, u32); FIELDS]) {
        // No slice is as long as half of all numbers, and so there is no overflow to check for.
        let start = self.full & (usize::MAX >> 1);
        if room.len() < start + FIELDS * STORE {
            grow(room, start + FIELDS * STORE);
        }
        self.put_into(room, fields);
    }

    /// As `put`, where there is room.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as put
    fn put_into<const FIELDS: usize>(&mut self, room: &mut [u8], fields: [(u64, u32); FIELDS]) {
        let start = self.full & (usize::MAX >> 1);
        let Some(places) = room.get_mut(start..start + FIELDS * STORE) else { return };
        let mut held = self.held;
        for (value, count) in fields {
            debug_assert!(count <= STORE_BITS && value >> count == 0);
            self.recent = self.recent << count | value;
            let (full, bits) = (held as usize / 8, held % 8 + count);
            if let Some(place) = places.get_mut(full..full + STORE) {
                // A shift by 64, when nothing is held and nothing comes, counts as none: what is stored then is beyond
                // the end, as all that a store puts there.
                place.copy_from_slice(&self.recent.wrapping_shl(64 - bits).to_be_bytes());
            }
            held += count;
        }
        self.full += held as usize / 8;
        self.held = held % 8;
    }
}

impl BitWriter {
    /// Forgets all bits, and keeps the memory.
    pub fn clear(&mut self) {
        self.end = End::default();
    }

    /// The lowest `count` bits, at most 64, of which those above must be zero.
    #[inline]
    pub fn put(&mut self, value: u64, count: u32) {
        if count > STORE_BITS {
            self.end.put(&mut self.room, [(value >> 32, count - 32), (value & 0xFFFF_FFFF, 32)]);
        } else {
            self.end.put(&mut self.room, [(value, count)]);
        }
    }

    /// For many fields one after the other.
    #[inline]
    pub fn run(&mut self) -> Run<'_> {
        Run { end: self.end, writer: self }
    }

    /// A number in two's complement of `count` bits, 1 to 64.
    #[inline]
    pub fn put_signed(&mut self, value: i64, count: u32) {
        self.put(value.cast_unsigned() & u64::MAX >> (64 - count), count);
    }

    /// So many zero bits.
    pub fn put_zeros(&mut self, count: u64) {
        if let Ok(count @ 0..=STORE_BITS) = u32::try_from(count) {
            return self.put(0, count);
        }
        // The byte that has been begun is zero from there on, and so are those that follow.
        let bits = u64::from(self.end.held) + count;
        let first = self.end.full + usize::from(self.end.held > 0);
        let full = self.end.full.saturating_add(usize::try_from(bits / 8).unwrap_or(usize::MAX));
        grow(&mut self.room, full.saturating_add(STORE));
        if let Some(zeros) = self.room.get_mut(first..=full) {
            zeros.fill(0);
        }
        #[allow(clippy::cast_possible_truncation)] // below 8
        let held = (bits % 8) as u32;
        self.end = End { full, held, recent: 0 };
    }

    /// Bits so far.
    pub fn len(&self) -> u64 {
        self.end.full as u64 * 8 + u64::from(self.end.held)
    }

    /// Fills the last byte with zero bits, and gives all bytes.
    pub fn finish(&mut self) -> &[u8] {
        self.end = End { full: self.end.full + usize::from(self.end.held > 0), ..End::default() };
        self.room.get(..self.end.full).unwrap_or_default()
    }
}

/// Many fields one after the other: what changes with each stays in registers. All are in the writer when it is
/// dropped.
#[derive(Debug)]
pub(super) struct Run<'a> {
    writer: &'a mut BitWriter,
    end: End,
}

impl Run<'_> {
    /// Fields one after the other: of each the lowest bits, so many as the second number says, at most [`STORE_BITS`],
    /// of which those above must be zero.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as End::put
    pub fn put<const FIELDS: usize>(&mut self, fields: [(u64, u32); FIELDS]) {
        self.end.put(&mut self.writer.room, fields);
    }

    /// For so many fields, for which there is room then: no loop that puts them has to call anything.
    pub fn reserve(&mut self, fields: usize) -> Reserved<'_> {
        grow(&mut self.writer.room, self.end.full.saturating_add(fields.saturating_add(1).saturating_mul(STORE)));
        Reserved { room: &mut self.writer.room, end: &mut self.end }
    }

    /// Puts what a function puts.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as End::put
    pub fn by(&mut self, put: impl FnOnce(&mut BitWriter)) {
        self.writer.end = self.end;
        put(self.writer);
        self.end = self.writer.end;
    }
}

/// Room for fields. What is put when there is none left is lost.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    room: &'a mut [u8],
    end: &'a mut End,
}

impl Reserved<'_> {
    /// Puts the fields of each array, as [`Run::put`], until there is none.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as End::put
    pub fn put_each<const FIELDS: usize>(self, mut next: impl FnMut() -> Option<[(u64, u32); FIELDS]>) {
        // In registers while it runs.
        let mut end = *self.end;
        while let Some(fields) = next() {
            end.put_into(self.room, fields);
        }
        *self.end = end;
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.writer.end = self.end;
    }
}

/// Makes room for at least so many bytes; for twice as many as there are, so that it is rarely asked for.
#[cold]
#[inline(never)]
fn grow(room: &mut Vec<u8>, bytes: usize) {
    if room.len() < bytes {
        room.resize(bytes.max(room.len() * 2).max(1024), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bits one by one.
    #[derive(Default)]
    struct Slow(Vec<bool>);

    impl Slow {
        fn put(&mut self, value: u64, count: u32) {
            self.0.extend((0..count).rev().map(|place| value >> place & 1 == 1));
        }

        fn bytes(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                bits.iter().enumerate().fold(0, |byte, (place, bit)| byte | u8::from(*bit) << (7 - place))
            };
            self.0.chunks(8).map(byte).collect()
        }
    }

    fn check(writer: &mut BitWriter, slow: &Slow) {
        assert_eq!(writer.len(), slow.0.len() as u64);
        assert_eq!(writer.finish(), slow.bytes());
    }

    #[test]
    fn fields_of_every_size_are_written_at_every_offset() {
        let mut writer = BitWriter::default();
        for before in 0..=64 {
            for count in 0..=64_u32 {
                for value in [0, u64::MAX, 0x0123_4567_89AB_CDEF, 1, 1 << 63] {
                    writer.clear();
                    let mut slow = Slow::default();
                    for (value, count) in [(u64::MAX, before), (value, count), (u64::MAX, 3), (value, count), (1, 2)] {
                        let value = if count == 0 { 0 } else { value & u64::MAX >> (64 - count) };
                        writer.put(value, count);
                        slow.put(value, count);
                    }
                    check(&mut writer, &slow);
                }
            }
        }
    }

    #[test]
    fn negative_numbers_are_written_in_two_s_complement() {
        for count in 1..=64 {
            let (lowest, highest) = (i64::MIN >> (64 - count), i64::MAX >> (64 - count));
            for value in [lowest, -1, 0, highest] {
                let (mut writer, mut slow) = (BitWriter::default(), Slow::default());
                writer.put(1, 3);
                writer.put_signed(value, count);
                slow.put(1, 3);
                slow.put(value.cast_unsigned(), count);
                check(&mut writer, &slow);
            }
        }
    }

    #[test]
    fn runs_of_zeros_are_written_over_whatever_was_there() {
        let mut writer = BitWriter::default();
        for round in 0..3 {
            for before in 0..20 {
                for zeros in (0..150).chain([5000, 10_003]) {
                    writer.clear();
                    (0..200).for_each(|_| writer.put(u64::MAX, 64));
                    writer.clear();
                    let mut slow = Slow::default();
                    for _ in 0..before {
                        writer.put(1, 1);
                        slow.put(1, 1);
                    }
                    writer.put_zeros(zeros);
                    slow.0.resize(slow.0.len() + usize::try_from(zeros).unwrap(), false);
                    for _ in 0..round {
                        writer.put(0x7F, 7);
                        slow.put(0x7F, 7);
                    }
                    check(&mut writer, &slow);
                }
            }
        }
    }

    #[test]
    fn what_follows_a_finish_begins_with_a_byte() {
        let mut writer = BitWriter::default();
        writer.put(0b101, 3);
        assert_eq!(writer.finish(), [0b1010_0000]);
        writer.put(0xFF, 8);
        assert_eq!(writer.finish(), [0b1010_0000, 0xFF]);
        writer.clear();
        assert_eq!((writer.len(), writer.finish()), (0, &[][..]));
    }

    #[test]
    fn memory_grows_with_what_is_written() {
        let mut writer = BitWriter::default();
        for _ in 0..100_000 {
            writer.put(1, 5);
        }
        let written = writer.finish().len();
        assert!(writer.room.capacity() <= 2 * written + 2 * STORE);
    }
}
