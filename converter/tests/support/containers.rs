//! What `hound` cannot write: `ds64` chunks, Wave64, samples in containers of any width and at either end of them.

/// Where in a container the bits of a sample are, and what the others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The highest bits, zeros below: as WAV has it.
    High,
    /// The lowest bits, the sign above.
    Low,
    /// The lowest bits, zeros above.
    LowZeros,
}

/// Samples of `bits` in little-endian containers of `bytes`: unsigned in one byte, signed in more.
pub fn pack(samples: &[i32], bits: u32, bytes: usize, place: Place) -> Vec<u8> {
    let width = bytes as u32 * 8;
    let mut out = Vec::new();
    for sample in samples {
        let mut sample = i128::from(*sample);
        if bytes == 1 {
            sample += 1 << (bits - 1);
        }
        let container = match place {
            Place::High => sample << (width - bits),
            Place::Low => sample,
            Place::LowZeros => sample & ((1 << bits) - 1),
        };
        out.extend(&container.to_le_bytes()[..bytes]);
    }
    out
}

/// The 16 bytes that begin every `fmt ` chunk.
pub fn fmt_fields(tag: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend(rate.wrapping_mul(align.into()).to_le_bytes());
    body.extend(align.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

/// The 40 bytes of WAVE_FORMAT_EXTENSIBLE: `bits` is the container's size, `tag` the encoding's.
pub fn extensible_body(channels: u16, rate: u32, bits: u16, valid_bits: u16, mask: u32, tag: u16) -> Vec<u8> {
    let mut body = fmt_fields(0xFFFE, channels, rate, channels.wrapping_mul(bits.div_ceil(8)), bits);
    body.extend(22_u16.to_le_bytes());
    body.extend(valid_bits.to_le_bytes());
    body.extend(mask.to_le_bytes());
    body.extend(tag.to_le_bytes());
    body.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    body
}

/// The body of a `ds64` chunk. The file's and the number of samples' fields hold 0: nobody may need them.
pub fn ds64_body(data_size: u64, table: &[([u8; 4], u64)]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0_u64.to_le_bytes());
    body.extend(data_size.to_le_bytes());
    body.extend(0_u64.to_le_bytes());
    body.extend((table.len() as u32).to_le_bytes());
    for (name, size) in table {
        body.extend(name);
        body.extend(size.to_le_bytes());
    }
    body
}

/// A Wave64 file in the making.
pub struct Wave64 {
    bytes: Vec<u8>,
}

impl Wave64 {
    /// The GUID `riff`, a length that is set by [`Wave64::build`], the GUID `wave`.
    pub fn new() -> Self {
        Self { bytes: [guid(b"riff").as_slice(), &[0; 8], &guid(b"wave")].concat() }
    }

    /// A chunk, padded to eight bytes.
    #[allow(clippy::trivially_copy_pass_by_ref)] // so that names are written b"data"
    pub fn chunk(self, name: &[u8; 4], body: &[u8]) -> Self {
        let padding = vec![0; body.len().wrapping_neg() % 8];
        self.head(name, 24 + body.len() as u64).raw(body).raw(&padding)
    }

    /// A chunk's header with any size, which should count the header's own 24 bytes.
    #[allow(clippy::trivially_copy_pass_by_ref)] // so that names are written b"data"
    pub fn head(self, name: &[u8; 4], size: u64) -> Self {
        self.raw(&guid(name)).raw(&size.to_le_bytes())
    }

    /// Any bytes.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A `fmt ` chunk of plain PCM.
    pub fn fmt(self, channels: u16, rate: u32, bits: u16) -> Self {
        self.chunk(b"fmt ", &super::fmt_body(1, channels, rate, bits))
    }

    /// The file, its length set.
    pub fn build(mut self) -> Vec<u8> {
        let length = (self.bytes.len() as u64).to_le_bytes();
        self.bytes[16..24].copy_from_slice(&length);
        self.bytes
    }
}

/// The GUID of a Wave64 chunk.
#[allow(clippy::trivially_copy_pass_by_ref)] // as above
fn guid(name: &[u8; 4]) -> [u8; 16] {
    let rest: [u8; 12] = match name {
        b"riff" | b"list" => [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00],
        _ => [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A],
    };
    let mut guid = [0; 16];
    guid[..4].copy_from_slice(name);
    guid[4..].copy_from_slice(&rest);
    if name == b"list" {
        guid[4] = 0x2F;
    }
    guid
}
