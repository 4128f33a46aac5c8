//! WAV files of every container with chunks, encodings and lies of every kind.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::sound::{Sounds, mostly};

/// A WAV file, and what it should decode to.
#[derive(Debug, Clone)]
pub struct WavFile {
    pub bytes: Vec<u8>,
    /// What the header says, if nothing about the file is a lie.
    pub truth: Option<Truth>,
}

/// An honest file's format and audio.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    pub channels: u8,
    pub sample_rate: u32,
    pub valid_bits: u8,
    pub container_bytes: u8,
    /// The data chunk's body.
    pub audio: Vec<u8>,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq)]
enum Container {
    Riff,
    Rf64,
    Bw64,
    Wave64,
}

/// What a length field says.
#[derive(Arbitrary, Debug, Clone, Copy)]
enum Claim {
    True,
    Zero,
    Open,
    More(u16),
    Less(u16),
    Any(u64),
}

impl Claim {
    fn of(self, length: u64) -> u64 {
        match self {
            Self::True => length,
            Self::Zero => 0,
            Self::Open => u32::MAX.into(),
            Self::More(by) => length.saturating_add(by.into()),
            Self::Less(by) => length.saturating_sub(by.into()),
            Self::Any(length) => length,
        }
    }
}

/// What is written about the audio.
#[derive(Debug, Clone, Copy)]
struct Fmt {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    align: u16,
    container_bits: u16,
    valid_bits: u16,
    mask: u32,
    sub_tag: u16,
    size: usize,
}

impl Fmt {
    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.tag.to_le_bytes());
        body.extend(self.channels.to_le_bytes());
        body.extend(self.sample_rate.to_le_bytes());
        body.extend(self.sample_rate.wrapping_mul(self.align.into()).to_le_bytes());
        body.extend(self.align.to_le_bytes());
        body.extend(self.container_bits.to_le_bytes());
        body.extend(22_u16.to_le_bytes());
        body.extend(self.valid_bits.to_le_bytes());
        body.extend(self.mask.to_le_bytes());
        body.extend(self.sub_tag.to_le_bytes());
        body.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        body.resize(self.size, 0);
        body
    }

    /// The truth of integer PCM, if all fields agree.
    fn truth(&self, audio: &[u8]) -> Option<Truth> {
        let channels = u8::try_from(self.channels).ok().filter(|channels| (1..=8).contains(channels))?;
        let container_bytes = u8::try_from(self.align / self.channels).ok().filter(|bytes| (1..=8).contains(bytes))?;
        let (valid_bits, pcm) = match self.tag {
            1 => (self.container_bits, true),
            0xFFFE if self.size >= 40 => (self.valid_bits, self.sub_tag == 1),
            _ => (0, false),
        };
        let honest = pcm
            && self.align == self.channels * u16::from(container_bytes)
            && (valid_bits.div_ceil(8) == u16::from(container_bytes) || self.tag == 0xFFFE)
            && self.container_bits.div_ceil(8) == u16::from(container_bytes)
            && (4..=32).contains(&valid_bits)
            && (self.tag == 1 || self.container_bits == 8 * u16::from(container_bytes))
            && (1..1 << 20).contains(&self.sample_rate)
            && valid_bits <= self.container_bits
            && self.size >= 16;
        honest.then(|| Truth {
            channels,
            sample_rate: self.sample_rate,
            valid_bits: valid_bits as u8,
            container_bytes,
            audio: audio.to_vec(),
        })
    }
}

impl<'a> Arbitrary<'a> for Fmt {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let channels = mostly(u, 1..=8)? as u16;
        let bytes = mostly(u, 1..=4)? as u16;
        let tag = *u.choose(&[1, 1, 1, 3, 0xFFFE, 0xFFFE, 0xFFFE, 6, 2])?;
        let whole = bytes.wrapping_mul(8);
        let valid_bits = if u.ratio(1, 2)? { whole } else { mostly(u, 1..=32)? as u16 };
        let container_bits = if tag == 1 && u.ratio(1, 3)? { valid_bits } else { whole };
        let align = if u.ratio(19, 20)? { channels.wrapping_mul(bytes) } else { u.arbitrary()? };
        let sample_rate =
            *u.choose(&[8_000, 44_100, 48_000, 96_000, 192_000, 384_000, 1_048_575, 1, 0, 12_345, 1 << 20])?;
        let sub_tag = *u.choose(&[1, 1, 1, 3, 6])?;
        let size = if tag == 0xFFFE && u.ratio(9, 10)? { 40 } else { *u.choose(&[16, 16, 18, 40, 14, 0, 41, 100])? };
        Ok(Self { tag, channels, sample_rate, align, container_bits, valid_bits, mask: u.arbitrary()?, sub_tag, size })
    }
}

impl<'a> Arbitrary<'a> for WavFile {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let fmt: Fmt = u.arbitrary()?;
        let audio = audio(u, &fmt)?;
        let mut file = Builder::new(*u.choose(&[
            Container::Riff,
            Container::Riff,
            Container::Riff,
            Container::Rf64,
            Container::Bw64,
            Container::Wave64,
        ])?);
        let mut honest = true;
        let claim = |u: &mut Unstructured<'a>, honest: &mut bool| {
            if u.ratio(4, 5)? {
                return Ok(Claim::True);
            }
            *honest = false;
            u.arbitrary()
        };
        for _ in 0..u.int_in_range(0..=2)? {
            file.any_chunk(u)?;
        }
        if file.is_64() {
            let data = claim(u, &mut honest)?.of(audio.len() as u64);
            file.ds64(data, u.arbitrary()?);
        }
        let twice = u.ratio(1, 20)?;
        if u.ratio(19, 20)? {
            file.chunk(b"fmt ", &fmt.body(), Claim::True);
        } else {
            honest = false;
        }
        if twice {
            honest = false;
            let other = if u.ratio(1, 2)? { fmt } else { u.arbitrary()? };
            file.chunk(b"fmt ", &other.body(), Claim::True);
        }
        for _ in 0..u.int_in_range(0..=2)? {
            file.any_chunk(u)?;
        }
        let data_claim = if file.is_64() && u.ratio(3, 4)? { Claim::Open } else { claim(u, &mut honest)? };
        file.chunk(b"data", &audio, data_claim);
        for _ in 0..u.int_in_range(0..=3)? {
            file.any_chunk(u)?;
        }
        if u.ratio(1, 10)? {
            honest = false;
            file.bytes.extend(u.arbitrary::<Vec<u8>>()?);
        }
        let mut bytes = file.build(claim(u, &mut honest)?);
        for _ in 0..if u.ratio(1, 5)? { u.int_in_range(1..=3)? } else { 0 } {
            honest = false;
            if let Some(last) = bytes.len().checked_sub(1) {
                let at = u.int_in_range(0..=last.min(300))?;
                bytes[at] = u.arbitrary()?;
            }
        }
        if u.ratio(1, 10)? {
            honest = false;
            bytes.truncate(u.int_in_range(0..=bytes.len())?);
        }
        let truth = if honest { fmt.truth(&audio) } else { None };
        Ok(Self { bytes, truth })
    }
}

/// The body of a data chunk: sounds, or any bytes.
fn audio(u: &mut Unstructured<'_>, fmt: &Fmt) -> Result<Vec<u8>> {
    let truth = fmt.truth(&[]);
    if let Some(Truth { channels, valid_bits, container_bytes, .. }) = truth
        && u.ratio(2, 3)?
    {
        let samples = u.arbitrary::<Sounds>()?.samples(channels, valid_bits, 12_000 / usize::from(channels));
        let half_range = if container_bytes == 1 { 0x80 } else { 0 };
        let shift = u32::from(container_bytes) * 8 - u32::from(valid_bits);
        let container = |sample: i32| ((i64::from(sample) << shift) ^ half_range).to_le_bytes();
        return Ok(samples
            .into_iter()
            .flat_map(|sample| container(sample).into_iter().take(container_bytes.into()))
            .collect());
    }
    let mut audio: Vec<u8> = u.arbitrary()?;
    // Longer audio than the fuzzer has bytes for.
    audio = audio.repeat(u.int_in_range(1..=40)?);
    audio.truncate(200_000);
    if u.ratio(1, 2)? {
        quieten(fmt, &mut audio);
    }
    Ok(audio)
}

/// Clears the bits below the valid ones, which must be zero.
fn quieten(fmt: &Fmt, audio: &mut [u8]) {
    let Some(Truth { valid_bits, container_bytes, .. }) = fmt.truth(&[]) else { return };
    let padding = u64::from(container_bytes) * 8 - u64::from(valid_bits);
    for container in audio.chunks_exact_mut(container_bytes.into()) {
        let mut value = [0; 8];
        value[..container.len()].copy_from_slice(container);
        let kept = u64::from_le_bytes(value) >> padding << padding;
        container.copy_from_slice(&kept.to_le_bytes()[..container.len()]);
    }
}

/// A file in the making.
struct Builder {
    container: Container,
    bytes: Vec<u8>,
}

/// The end of Wave64's GUIDs that begin with four letters.
const GUID_END: [u8; 12] = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];
/// The same for `riff`.
const RIFF_GUID_END: [u8; 12] = [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];

impl Builder {
    fn new(container: Container) -> Self {
        let bytes = match container {
            Container::Riff => b"RIFF\0\0\0\0WAVE".to_vec(),
            Container::Rf64 => b"RF64\xFF\xFF\xFF\xFFWAVE".to_vec(),
            Container::Bw64 => b"BW64\xFF\xFF\xFF\xFFWAVE".to_vec(),
            Container::Wave64 => [b"riff".as_slice(), &RIFF_GUID_END, &[0; 8], b"wave", &GUID_END].concat(),
        };
        Self { container, bytes }
    }

    fn is_64(&self) -> bool {
        matches!(self.container, Container::Rf64 | Container::Bw64)
    }

    fn chunk(&mut self, name: &[u8; 4], body: &[u8], claim: Claim) {
        let length = claim.of(body.len() as u64);
        self.bytes.extend(name);
        if self.container == Container::Wave64 {
            self.bytes.extend(GUID_END);
            self.bytes.extend(length.wrapping_add(24).to_le_bytes());
            self.bytes.extend(body);
            self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        } else {
            self.bytes.extend((length as u32).to_le_bytes());
            self.bytes.extend(body);
            self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        }
    }

    /// RF64's true lengths. They are those of a file that has no more chunks.
    fn ds64(&mut self, data: u64, table: Vec<([u8; 4], u64)>) {
        let mut body = (self.bytes.len() as u64).wrapping_add(data).to_le_bytes().to_vec();
        body.extend(data.to_le_bytes());
        body.extend(0_u64.to_le_bytes());
        body.extend((table.len() as u32).to_le_bytes());
        for (name, length) in table {
            body.extend(name);
            body.extend(length.to_le_bytes());
        }
        // It is the first chunk, always.
        let mut rest = self.bytes.split_off(12);
        self.chunk(b"ds64", &body, Claim::True);
        self.bytes.append(&mut rest);
    }

    /// A chunk that says nothing about the audio.
    fn any_chunk(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let names = [*b"LIST", *b"bext", *b"id3 ", *b"cue ", *b"JUNK", *b"fact", *b"PEAK", *b"iXML", *b"abcd"];
        let name = *u.choose(&names)?;
        let body: Vec<u8> = u.arbitrary()?;
        self.chunk(&name, &body, Claim::True);
        Ok(())
    }

    fn build(mut self, claim: Claim) -> Vec<u8> {
        let length = self.bytes.len() as u64;
        match self.container {
            Container::Riff => {
                let claimed = claim.of(length - 8) as u32;
                self.bytes[4..8].copy_from_slice(&claimed.to_le_bytes());
            }
            Container::Wave64 => self.bytes[16..24].copy_from_slice(&claim.of(length).to_le_bytes()),
            Container::Rf64 | Container::Bw64 => {
                if let Some(place) = self.bytes.get_mut(20..28).filter(|_| length > 28) {
                    place.copy_from_slice(&claim.of(length - 8).to_le_bytes());
                }
            }
        }
        self.bytes
    }
}
