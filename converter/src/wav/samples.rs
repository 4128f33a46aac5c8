//! From the samples of a WAV file to those of FLAC.

use super::{Endian, Format, Kind, WavError, WavWarning};

/// The most bytes of one sample of every channel: eight channels in containers of eight bytes.
const LONGEST_STEP: usize = 64;

/// Turns a data chunk's bytes into samples as FLAC's MD5 sees them: interleaved, signed, little-endian, each in as few
/// bytes as hold its bits, the sign extended to fill them.
#[derive(Debug, Clone)]
pub struct Unpacker {
    format: Format,
    /// Whether the input's bytes are samples as they should be.
    ready: bool,
    /// Bytes of one sample of every channel, at least 1.
    step: usize,
    held: [u8; LONGEST_STEP],
    held_len: usize,
    /// Samples per channel unpacked, where there is something to unpack.
    samples: u64,
    clipped: u64,
    /// Samples per channel after which what was counted is noted, and `clipped` as it was then.
    block: u64,
    clipped_in_blocks: u64,
    /// The bits, left-justified, in which any sample differs from its sign.
    used_bits: u64,
    /// Samples on their way to the taker.
    unpacked: Vec<u8>,
}

/// What an unpacker has counted in whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Floating-point samples, over all channels, that were clipped.
    pub clipped: u64,
    /// The highest bits, of 64, in which every sample repeats its sign. Later samples may be counted already: what is
    /// unpacked twice makes no difference.
    pub unused_bits: u8,
}

/// Most input bytes that are unpacked at once: more would only make the buffer larger.
const SLICE: usize = 64 * 1024;

impl Unpacker {
    /// An unpacker at the start of the audio.
    pub fn new(format: &Format) -> Self {
        Self {
            format: *format,
            ready: is_ready(format),
            unpacked: Vec::new(),
            step: format.block_align().clamp(1, LONGEST_STEP),
            held: [0; LONGEST_STEP],
            held_len: 0,
            samples: 0,
            clipped: 0,
            block: u64::MAX,
            clipped_in_blocks: 0,
            used_bits: 0,
        }
    }

    /// The same for audio that is cut into blocks of so many samples per channel.
    #[must_use]
    pub fn in_blocks(mut self, samples: u16) -> Self {
        self.block = u64::from(samples).max(1);
        self
    }

    /// The same after so many samples per channel, whole blocks, of which this was counted.
    #[must_use]
    pub fn after(mut self, samples: u64, tally: Tally) -> Self {
        self.samples = samples;
        self.clipped = tally.clipped;
        self.clipped_in_blocks = tally.clipped;
        self.used_bits = u64::MAX.checked_shr(tally.unused_bits.into()).unwrap_or(0);
        self
    }

    /// What was counted up to the end of the latest whole block.
    pub fn tally(&self) -> Tally {
        let unused_bits = u8::try_from(self.used_bits.leading_zeros()).unwrap_or(u8::MAX);
        Tally { clipped: self.clipped_in_blocks, unused_bits }
    }

    /// Takes the next bytes, split anywhere, and appends the samples that they complete to `out`: only whole ones of
    /// every channel. After an error the audio is not to be used.
    pub fn unpack(&mut self, pcm: &[u8], out: &mut Vec<u8>) -> Result<(), WavError> {
        self.pass(pcm, &mut |samples| {
            out.extend_from_slice(samples);
            Ok(())
        })
    }

    /// As [`unpack`](Self::unpack), but hands the samples to `take`, in pieces: where they need no unpacking, they are
    /// not copied either.
    pub fn pass<E: From<WavError>>(
        &mut self,
        mut pcm: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.held_len > 0 {
            pcm = self.hold(pcm);
            if self.held_len < self.step {
                return Ok(());
            }
            let held = self.held;
            self.held_len = 0;
            self.whole(held.get(..self.step).unwrap_or_default(), take)?;
        }
        let (whole, rest) = pcm.split_at_checked(pcm.len() - pcm.len() % self.step).unwrap_or((pcm, &[]));
        self.whole(whole, take)?;
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
    fn whole<E: From<WavError>>(
        &mut self,
        mut pcm: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.ready {
            return take(pcm);
        }
        let mut unpacked = std::mem::take(&mut self.unpacked);
        while !pcm.is_empty() {
            let (slice, rest) = pcm.split_at_checked(self.slice_bytes()).unwrap_or((pcm, &[]));
            pcm = rest;
            unpacked.clear();
            self.convert(slice, &mut unpacked)?;
            self.samples = self.samples.saturating_add((slice.len() / self.step) as u64);
            if self.samples.is_multiple_of(self.block) {
                self.clipped_in_blocks = self.clipped;
            }
            take(&unpacked)?;
        }
        self.unpacked = unpacked;
        Ok(())
    }

    /// Most bytes to be unpacked next. Where samples may be clipped, a block's are counted apart from the next one's.
    fn slice_bytes(&self) -> usize {
        let most = (SLICE / self.step).max(1);
        let samples = if self.format.encoding.kind == Kind::Float {
            let left = self.block - self.samples % self.block;
            usize::try_from(left).map_or(most, |left| left.min(most))
        } else {
            most
        };
        samples * self.step
    }

    /// Appends samples made of others.
    fn convert(&mut self, pcm: &[u8], out: &mut Vec<u8>) -> Result<(), WavError> {
        let encoding = self.format.encoding;
        match (encoding.kind, encoding.container_bytes) {
            (Kind::Unsigned | Kind::UnsignedLow, 1) if self.format.bits_per_sample == 8 => {
                out.extend(pcm.iter().map(|byte| byte ^ 0x80));
                Ok(())
            }
            (_, 1) => self.containers::<1>(pcm, out),
            (_, 2) => self.containers::<2>(pcm, out),
            (_, 3) => self.containers::<3>(pcm, out),
            (_, 4) => self.containers::<4>(pcm, out),
            (_, 5) => self.containers::<5>(pcm, out),
            (_, 6) => self.containers::<6>(pcm, out),
            (_, 7) => self.containers::<7>(pcm, out),
            _ => self.containers::<8>(pcm, out),
        }
    }

    /// Unpacks containers of `FROM` bytes.
    fn containers<const FROM: usize>(&mut self, pcm: &[u8], out: &mut Vec<u8>) -> Result<(), WavError> {
        let containers = Containers { bytes: pcm.as_chunks::<FROM>().0, endian: self.format.encoding.endian };
        let all_fit = match self.format.bits_per_sample.div_ceil(8) {
            1 => self.samples_of::<FROM, 1>(containers, out),
            2 => self.samples_of::<FROM, 2>(containers, out),
            3 => self.samples_of::<FROM, 3>(containers, out),
            _ => self.samples_of::<FROM, 4>(containers, out),
        };
        if all_fit { Ok(()) } else { Err(self.does_not_fit(containers)) }
    }

    /// Unpacks containers into samples of `TO` bytes; returns whether all of them kept the rules. Each loop only
    /// gathers what tells so: which container broke them is looked up afterwards, if at all.
    fn samples_of<const FROM: usize, const TO: usize>(
        &mut self,
        containers: Containers<'_, FROM>,
        out: &mut Vec<u8>,
    ) -> bool {
        let (bits, container_bits) = (u32::from(self.format.bits_per_sample), u32::from(self.container_bits()));
        match self.format.encoding.kind {
            kind @ (Kind::Signed | Kind::Unsigned) => {
                let flipped = if kind == Kind::Unsigned { 1 << 63 } else { 0 };
                let whole_bytes = u32::try_from(8 * TO).unwrap_or(bits);
                // The same, but the common case has shifts that the compiler knows.
                let (used, padding) = if bits == whole_bytes {
                    containers.left::<TO>(out, flipped, whole_bytes)
                } else {
                    containers.left::<TO>(out, flipped, bits)
                };
                self.used_bits |= used;
                padding == 0
            }
            Kind::SignedLow => {
                let mut all_fit = true;
                containers.write::<TO>(out, |highest| {
                    all_fit &= signed_low_fits(highest, bits, container_bits);
                    highest.cast_signed() << (container_bits - bits) >> (64 - bits)
                });
                all_fit
            }
            Kind::UnsignedLow => {
                let mut highest_bits = 0;
                containers.write::<TO>(out, |highest| {
                    let whole = highest >> (64 - container_bits);
                    highest_bits |= whole >> bits;
                    whole.cast_signed() - (1_i64 << (bits - 1))
                });
                highest_bits == 0
            }
            Kind::Float => {
                let mut clipped = 0;
                containers.write::<TO>(out, |highest| quantised(highest, bits, container_bits, &mut clipped));
                self.clipped += clipped;
                true
            }
        }
    }

    /// Why these containers, which follow the latest whole samples, were refused.
    fn does_not_fit<const FROM: usize>(&self, containers: Containers<'_, FROM>) -> WavError {
        let (bits, container_bits) = (u32::from(self.format.bits_per_sample), u32::from(self.container_bits()));
        let fits = |highest: u64| match self.format.encoding.kind {
            Kind::Signed | Kind::Unsigned => highest.wrapping_shl(bits) == 0,
            Kind::SignedLow => signed_low_fits(highest, bits, container_bits),
            Kind::UnsignedLow => highest >> (64 - container_bits) >> bits == 0,
            Kind::Float => true,
        };
        let number = containers.highest().position(|highest| !fits(highest)).unwrap_or(0) as u64;
        let channels = u64::from(self.format.channels.max(1));
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

/// Whether samples are in the input as they should be.
fn is_ready(format: &Format) -> bool {
    let encoding = format.encoding;
    let fills = u32::from(format.bits_per_sample) == u32::from(encoding.container_bytes) * 8;
    fills && matches!((encoding.kind, encoding.endian), (Kind::Signed | Kind::SignedLow, Endian::Little))
}

/// Samples as the input has them, each in `FROM` bytes.
#[derive(Clone, Copy)]
struct Containers<'a, const FROM: usize> {
    bytes: &'a [[u8; FROM]],
    endian: Endian,
}

impl<const FROM: usize> Containers<'_, FROM> {
    /// Each container's bits as the highest ones of 64, zeros below.
    fn highest(&self) -> impl Iterator<Item = u64> {
        let big = self.endian == Endian::Big;
        self.bytes.iter().map(move |container| left_justified(*container, big))
    }

    /// Appends samples in the highest bits to `out`; returns the bits in which any sample differs from its sign, and
    /// those set below any sample.
    #[inline]
    fn left<const TO: usize>(&self, out: &mut Vec<u8>, flipped: u64, bits: u32) -> (u64, u64) {
        let (mut used, mut padding) = (0, 0);
        self.write::<TO>(out, |highest| {
            let signed = (highest ^ flipped).cast_signed();
            used |= signed ^ (signed >> 63);
            padding |= highest.wrapping_shl(bits);
            signed >> (64 - bits)
        });
        (used.cast_unsigned(), padding)
    }

    /// Appends to `out` what `sample` makes of each container, in its lowest `TO` bytes.
    fn write<const TO: usize>(&self, out: &mut Vec<u8>, mut sample: impl FnMut(u64) -> i64) {
        let start = out.len();
        out.resize(start + self.bytes.len() * TO, 0);
        let (places, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<TO>();
        for (place, highest) in places.iter_mut().zip(self.highest()) {
            if let Some(bytes) = sample(highest).to_le_bytes().first_chunk() {
                *place = *bytes;
            }
        }
    }
}

/// A container's bytes as the highest ones of 64 bits, zeros below. Written so that the compiler sees one load.
#[inline]
fn left_justified<const FROM: usize>(container: [u8; FROM], big_endian: bool) -> u64 {
    let unused = 64 - 8 * FROM;
    let (mut little, mut big) = (0, 0);
    for (number, byte) in container.into_iter().enumerate() {
        little |= u64::from(byte) << (unused + 8 * number);
        big |= u64::from(byte) << (56 - 8 * number);
    }
    if big_endian { big } else { little }
}

/// Whether above the lowest bits only their sign or only zeros are.
fn signed_low_fits(highest: u64, bits: u32, container_bits: u32) -> bool {
    let whole = highest.cast_signed() >> (64 - container_bits);
    let sample = whole << (64 - bits) >> (64 - bits);
    whole == sample || highest >> (64 - container_bits) >> bits == 0
}

/// A floating-point sample, rounded (half to even) and clipped, which is counted.
#[allow(clippy::cast_possible_truncation)] // the first is exact, the second from a number that was brought into range
fn quantised(highest: u64, bits: u32, container_bits: u32, clipped: &mut u64) -> i64 {
    let sample = match container_bits {
        32 => f64::from(f32::from_bits((highest >> 32) as u32)),
        _ => f64::from_bits(highest),
    };
    let full_scale = f64::from(1_u32 << (bits - 1));
    let rounded = (sample * full_scale).round_ties_even();
    *clipped += u64::from(!(-full_scale..full_scale).contains(&rounded));
    // A number that is none becomes 0.
    rounded.clamp(-full_scale, full_scale - 1.0) as i64
}

#[cfg(test)]
mod tests;
