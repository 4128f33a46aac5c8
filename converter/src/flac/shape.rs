//! What every frame of a stream has in common.

/// The shape of a stream's audio, as frame headers and STREAMINFO tell it (RFC 9639 §8.2, §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of channels, 1 to 8.
    pub channels: u8,
    /// Samples per second of each channel, in Hz, below 2^20.
    pub sample_rate: u32,
    /// Bits of each sample, 4 to 32.
    pub bits_per_sample: u8,
    /// Samples per channel in every block but the last, 16 to 65,535.
    pub block_size: u16,
}

impl Shape {
    /// Bytes of one sample of one channel in [`Block::pcm`](super::Block::pcm): as few as hold its bits.
    pub fn bytes_per_sample(&self) -> usize {
        usize::from(self.bits_per_sample.div_ceil(8))
    }

    /// Bytes of one sample of every channel.
    pub fn bytes_per_step(&self) -> usize {
        usize::from(self.channels) * self.bytes_per_sample()
    }

    /// Bytes of a whole block.
    pub fn bytes_per_block(&self) -> usize {
        usize::from(self.block_size) * self.bytes_per_step()
    }
}
