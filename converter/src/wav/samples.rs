//! From the samples of a WAV file to those of FLAC.

use super::{Endian, Format, Kind, WavError, WavWarning};

/// The most bytes of one sample of every channel: eight channels in containers of eight bytes.
const LONGEST_STEP: usize = 64;

/// Turns a data chunk's bytes into samples as FLAC's MD5 sees them: interleaved, signed, little-endian, each in as few
/// bytes as hold its bits, the sign extended to fill them.
#[derive(Debug, Clone)]
pub struct Unpacker {
    format: Format,
    /// Bytes of one sample of every channel, at least 1.
    step: usize,
    held: [u8; LONGEST_STEP],
    held_len: usize,
    /// Samples per channel unpacked.
    samples: u64,
    clipped: u64,
    /// The bits, left-justified, in which any sample differs from its sign.
    used_bits: u64,
}

impl Unpacker {
    /// An unpacker at the start of the audio.
    pub fn new(format: &Format) -> Self {
        Self {
            format: *format,
            step: format.block_align().clamp(1, LONGEST_STEP),
            held: [0; LONGEST_STEP],
            held_len: 0,
            samples: 0,
            clipped: 0,
            used_bits: 0,
        }
    }

    /// Takes the next bytes, split anywhere, and appends the samples that they complete to `out`: only whole ones of
    /// every channel. After an error the audio is not to be used.
    pub fn unpack(&mut self, mut pcm: &[u8], out: &mut Vec<u8>) -> Result<(), WavError> {
        if self.held_len > 0 {
            pcm = self.hold(pcm);
            if self.held_len < self.step {
                return Ok(());
            }
            let held = self.held;
            self.held_len = 0;
            self.whole(held.get(..self.step).unwrap_or_default(), out)?;
        }
        let (whole, rest) = pcm.split_at_checked(pcm.len() - pcm.len() % self.step).unwrap_or((pcm, &[]));
        self.whole(whole, out)?;
        self.hold(rest);
        Ok(())
    }

    /// Bytes at the end of what was taken that make no whole sample of every channel.
    pub fn leftover(&self) -> &[u8] {
        self.held.get(..self.held_len).unwrap_or_default()
    }

    /// Floating-point samples, over all channels, that were louder than full scale or no numbers.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// What the user should know about the samples unpacked so far.
    pub fn warnings(&self) -> Vec<WavWarning> {
        let mut warnings = Vec::new();
        if self.clipped > 0 {
            warnings.push(WavWarning::Clipped { samples: self.clipped });
        }
        let (valid_bits, container_bits) = (self.format.bits_per_sample, self.container_bits());
        let spare = container_bits.saturating_sub(valid_bits);
        // With fewer spare bits, quiet recordings would be suspected.
        let quiet = self.used_bits != 0 && self.used_bits.leading_zeros() > u32::from(spare);
        if matches!(self.format.encoding.kind, Kind::Signed | Kind::Unsigned) && spare >= 8 && quiet {
            warnings.push(WavWarning::MaybeLowBits { valid_bits, container_bits });
        }
        warnings
    }

    fn container_bits(&self) -> u8 {
        self.format.encoding.container_bytes.saturating_mul(8)
    }

    /// Holds back what completes a sample of every channel; returns the rest.
    fn hold<'a>(&mut self, pcm: &'a [u8]) -> &'a [u8] {
        let taken = self.step.saturating_sub(self.held_len).min(pcm.len());
        let (taken, rest) = pcm.split_at_checked(taken).unwrap_or((pcm, &[]));
        for (slot, byte) in self.held.iter_mut().skip(self.held_len).zip(taken) {
            *slot = *byte;
        }
        self.held_len += taken.len();
        rest
    }

    /// Unpacks whole samples of every channel.
    fn whole(&mut self, pcm: &[u8], out: &mut Vec<u8>) -> Result<(), WavError> {
        let encoding = self.format.encoding;
        let fills = self.format.bits_per_sample == self.container_bits();
        match (encoding.kind, encoding.endian) {
            (Kind::Signed | Kind::SignedLow, Endian::Little) if fills => out.extend_from_slice(pcm),
            (Kind::Unsigned | Kind::UnsignedLow, _) if fills && encoding.container_bytes == 1 => {
                out.extend(pcm.iter().map(|byte| byte ^ 0x80));
            }
            _ => match encoding.container_bytes {
                1 => self.containers::<1>(pcm, out)?,
                2 => self.containers::<2>(pcm, out)?,
                3 => self.containers::<3>(pcm, out)?,
                4 => self.containers::<4>(pcm, out)?,
                5 => self.containers::<5>(pcm, out)?,
                6 => self.containers::<6>(pcm, out)?,
                7 => self.containers::<7>(pcm, out)?,
                _ => self.containers::<8>(pcm, out)?,
            },
        }
        self.samples = self.samples.saturating_add((pcm.len() / self.step) as u64);
        Ok(())
    }

    /// Unpacks containers of `FROM` bytes.
    fn containers<const FROM: usize>(&mut self, pcm: &[u8], out: &mut Vec<u8>) -> Result<(), WavError> {
        let big = self.format.encoding.endian == Endian::Big;
        let (containers, _) = pcm.as_chunks::<FROM>();
        let highest = containers.iter().map(|container| left_justified(*container, big));
        let failed = match self.format.bits_per_sample.div_ceil(8) {
            1 => self.samples_of::<1>(highest, out),
            2 => self.samples_of::<2>(highest, out),
            3 => self.samples_of::<3>(highest, out),
            _ => self.samples_of::<4>(highest, out),
        };
        failed.map_or(Ok(()), |number| Err(self.does_not_fit(number)))
    }

    /// Unpacks containers, whose bits come left-justified, into samples of `TO` bytes. Returns which of them breaks
    /// the rules.
    fn samples_of<const TO: usize>(
        &mut self,
        containers: impl ExactSizeIterator<Item = u64>,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let bits = u32::from(self.format.bits_per_sample);
        let container_bits = u32::from(self.container_bits());
        out.reserve(containers.len().saturating_mul(TO));
        for (number, highest) in containers.enumerate() {
            let sample = match self.format.encoding.kind {
                Kind::Signed => self.left(highest, bits),
                Kind::Unsigned => self.left(highest ^ (1 << 63), bits),
                Kind::SignedLow => signed_low(highest, bits, container_bits),
                Kind::UnsignedLow => unsigned_low(highest, bits, container_bits),
                Kind::Float => Some(self.quantised(highest, bits, container_bits)),
            };
            let Some(sample) = sample else {
                return Some(number);
            };
            if let Some(bytes) = sample.to_le_bytes().first_chunk::<TO>() {
                out.extend_from_slice(bytes);
            }
        }
        None
    }

    /// A sample in the highest bits, below which only zeros may be.
    fn left(&mut self, highest: u64, bits: u32) -> Option<i64> {
        let signed = highest.cast_signed();
        self.used_bits |= (signed ^ (signed >> 63)).cast_unsigned();
        (highest.wrapping_shl(bits) == 0).then_some(signed >> (64 - bits))
    }

    /// A floating-point sample, rounded (half to even) and clipped.
    #[allow(clippy::cast_possible_truncation)] // both casts are from numbers that were brought into range
    fn quantised(&mut self, highest: u64, bits: u32, container_bits: u32) -> i64 {
        let sample = match container_bits {
            32 => f64::from(f32::from_bits((highest >> 32) as u32)),
            _ => f64::from_bits(highest),
        };
        let full_scale = f64::from(1_u32 << (bits - 1));
        let rounded = (sample * full_scale).round_ties_even();
        self.clipped += u64::from(!(-full_scale..full_scale).contains(&rounded));
        let clipped = if rounded.is_nan() { 0.0 } else { rounded.clamp(-full_scale, full_scale - 1.0) };
        clipped as i64
    }

    /// Why the sample with this number, counted over all channels from the latest whole one, was refused.
    fn does_not_fit(&self, number: usize) -> WavError {
        let (number, channels) = (number as u64, u64::from(self.format.channels.max(1)));
        let (sample, channel) = (self.samples.saturating_add(number / channels), number % channels + 1);
        let (valid_bits, container_bits) = (self.format.bits_per_sample, self.container_bits());
        match self.format.encoding.kind {
            Kind::SignedLow | Kind::UnsignedLow => {
                WavError::HighBitsNotEmpty { sample, channel, valid_bits, container_bits }
            }
            _ => WavError::PaddingNotZero { sample, channel, valid_bits, container_bits },
        }
    }
}

/// A container's bytes as the highest ones of 64 bits, zeros below.
fn left_justified<const FROM: usize>(mut container: [u8; FROM], big_endian: bool) -> u64 {
    if big_endian {
        container.reverse();
    }
    let mut bytes = [0; 8];
    if let Some(highest) = bytes.last_chunk_mut::<FROM>() {
        *highest = container;
    }
    u64::from_le_bytes(bytes)
}

/// A sample in the lowest bits, above which its sign or zeros are.
fn signed_low(highest: u64, bits: u32, container_bits: u32) -> Option<i64> {
    let whole = highest.cast_signed() >> (64 - container_bits);
    let sample = whole << (64 - bits) >> (64 - bits);
    let zero_above = (highest >> (64 - container_bits)) >> bits == 0;
    (whole == sample || zero_above).then_some(sample)
}

/// A sample plus half its range in the lowest bits, above which only zeros may be.
fn unsigned_low(highest: u64, bits: u32, container_bits: u32) -> Option<i64> {
    let whole = highest >> (64 - container_bits);
    (whole >> bits == 0).then_some(whole.cast_signed() - (1_i64 << (bits - 1)))
}

#[cfg(test)]
mod tests;
