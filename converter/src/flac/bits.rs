//! Bits into bytes, the highest first, as every field of FLAC is written.

/// Collects bits.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// The bits that fill no byte yet: the lowest `held`, fewer than 8.
    waiting: u64,
    held: u32,
}

impl BitWriter {
    /// Forgets all bits, and keeps the memory.
    pub fn clear(&mut self) {
        (self.waiting, self.held) = (0, 0);
        self.bytes.clear();
    }

    /// The lowest `count` bits, at most 56, of which those above must be zero.
    pub fn put(&mut self, value: u64, count: u32) {
        self.waiting = self.waiting << count | value;
        self.held += count;
        while self.held >= 8 {
            self.held -= 8;
            let [.., byte] = (self.waiting >> self.held).to_be_bytes();
            self.bytes.push(byte);
        }
        self.waiting &= (1 << self.held) - 1;
    }

    /// A number in two's complement of `count` bits, at most 56.
    pub fn put_signed(&mut self, value: i64, count: u32) {
        self.put(value.cast_unsigned() & ((1 << count) - 1), count);
    }

    /// So many zero bits.
    pub fn put_zeros(&mut self, mut count: u64) {
        while count > 0 {
            let now = count.min(56);
            self.put(0, u32::try_from(now).unwrap_or(56));
            count -= now;
        }
    }

    /// Bits so far.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64 * 8 + u64::from(self.held)
    }

    /// Fills the last byte with zero bits, and gives all bytes.
    pub fn finish(&mut self) -> &[u8] {
        self.put(0, (8 - self.held) % 8);
        &self.bytes
    }
}
