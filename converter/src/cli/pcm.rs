//! `--pcm RATE:CHANNELS:FORMAT`, over HTTP `pcm`: what headerless audio is. What can be converted is decided by the
//! conversion.

use std::str::FromStr;

use crate::convert::{PcmFormat, ValidBits};
use crate::wav::{self, Endian, Justify, WavError};

/// Headerless audio, as it was described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmSpec {
    /// Samples per second of each channel, in Hz.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u16,
    /// Bits of a sample that count, 4 to 32.
    pub bits: u8,
    /// Bytes that a sample takes, 1 to 8, at least as many as its bits need.
    pub container_bytes: u8,
    /// Whether silence is 0, or the middle of the range.
    pub sign: Sign,
    /// The order of a sample's bytes.
    pub order: ByteOrder,
}

/// How a sample's bits mean a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Two's complement: silence is 0.
    Signed,
    /// Offset binary: silence is the middle of the range.
    Unsigned,
}

/// The order of a sample's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant first, as in WAV files.
    Little,
    /// Most significant first.
    Big,
}

/// Text that describes no PCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PcmError {
    /// Not three fields of the right form.
    #[error(
        "write it as RATE:CHANNELS:FORMAT, where FORMAT is [s|u]BITS[/CONTAINER][le|be]: for example 48000:2:16, \
         96000:1:s24be, 44100:2:20/24"
    )]
    Form,
    /// FLAC holds 4 to 32 bits.
    #[error("{0} bits a sample are not supported: FLAC holds 4 to 32")]
    Bits(u32),
    /// The container holds no whole bytes, too few bits, or more than a sample can take.
    #[error(
        "a sample of {bits} bits cannot be in {container}: a container has 8, 16, 24, 32 or up to 64 bits, no fewer than the sample"
    )]
    Container {
        /// Bits of the sample.
        bits: u8,
        /// Bits of the container.
        container: u32,
    },
}

impl FromStr for PcmSpec {
    type Err = PcmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.split(':');
        let (Some(rate), Some(channels), Some(format), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(PcmError::Form);
        };
        let channels = u16::try_from(number(channels)?).unwrap_or(u16::MAX);
        let (bits, container_bytes, sign, order) = format_of(format)?;
        Ok(Self { sample_rate: number(rate)?, channels, bits, container_bytes, sign, order })
    }
}

impl PcmSpec {
    /// What the conversion takes it for. In a wider container the bits are the highest, unless `valid_bits` says otherwise.
    pub fn format(self, valid_bits: ValidBits) -> Result<PcmFormat, WavError> {
        let new = |bits| PcmFormat::new(self.sample_rate, self.channels, bits);
        let in_container = || new(self.bits.into())?.in_containers(self.container_bytes);
        let format = match valid_bits {
            ValidBits::Declared => in_container()?.justified(Justify::High),
            ValidBits::Low => in_container()?.justified(Justify::Low),
            ValidBits::Container => new(u16::from(self.container_bytes) * 8)?,
        };
        let sign = match self.sign {
            Sign::Signed => wav::Sign::Signed,
            Sign::Unsigned => wav::Sign::Unsigned,
        };
        let endian = match self.order {
            ByteOrder::Little => Endian::Little,
            ByteOrder::Big => Endian::Big,
        };
        Ok(format.with_sign(sign).with_endian(endian))
    }
}

/// Reads `[s|u]BITS[/CONTAINER][le|be]`.
fn format_of(text: &str) -> Result<(u8, u8, Sign, ByteOrder), PcmError> {
    let text = text.to_ascii_lowercase();
    let (text, order) = match (text.strip_suffix("be"), text.strip_suffix("le")) {
        (Some(rest), _) => (rest, ByteOrder::Big),
        (None, Some(rest)) => (rest, ByteOrder::Little),
        (None, None) => (text.as_str(), ByteOrder::Little),
    };
    let (text, sign) = match (text.strip_prefix('s'), text.strip_prefix('u')) {
        (Some(rest), _) => (rest, Some(Sign::Signed)),
        (None, Some(rest)) => (rest, Some(Sign::Unsigned)),
        (None, None) => (text, None),
    };
    let (bits, container) = match text.split_once('/') {
        Some((bits, container)) => (number(bits)?, Some(number(container)?)),
        None => (number(text)?, None),
    };
    let bits = u8::try_from(bits).ok().filter(|bits| (4..=32).contains(bits)).ok_or(PcmError::Bits(bits))?;
    let container = container.unwrap_or_else(|| u32::from(bits).next_multiple_of(8));
    let fits = container.is_multiple_of(8) && (u32::from(bits)..=64).contains(&container);
    let container_bytes =
        u8::try_from(container / 8).ok().filter(|_| fits).ok_or(PcmError::Container { bits, container })?;
    // A plain number means what it means in a WAV file: there only single bytes are unsigned.
    let sign = sign.unwrap_or(if container_bytes == 1 { Sign::Unsigned } else { Sign::Signed });
    Ok((bits, container_bytes, sign, order))
}

fn number(text: &str) -> Result<u32, PcmError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(PcmError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> Result<(u8, u8, Sign, ByteOrder), PcmError> {
        let spec: PcmSpec = format!("48000:2:{text}").parse()?;
        assert_eq!((spec.sample_rate, spec.channels), (48_000, 2));
        Ok((spec.bits, spec.container_bytes, spec.sign, spec.order))
    }

    #[test]
    fn formats() {
        use ByteOrder::{Big, Little};
        use Sign::{Signed, Unsigned};
        for (text, bits, bytes, sign, order) in [
            ("16", 16, 2, Signed, Little),
            ("8", 8, 1, Unsigned, Little),
            ("4", 4, 1, Unsigned, Little),
            ("24", 24, 3, Signed, Little),
            ("20", 20, 3, Signed, Little),
            ("s16be", 16, 2, Signed, Big),
            ("S16LE", 16, 2, Signed, Little),
            ("s8", 8, 1, Signed, Little),
            ("u8", 8, 1, Unsigned, Little),
            ("u16be", 16, 2, Unsigned, Big),
            ("24/32", 24, 4, Signed, Little),
            ("20/24", 20, 3, Signed, Little),
            ("8/16", 8, 2, Signed, Little),
            ("u12/16be", 12, 2, Unsigned, Big),
            ("32", 32, 4, Signed, Little),
            ("32/64be", 32, 8, Signed, Big),
        ] {
            assert_eq!(format(text), Ok((bits, bytes, sign, order)), "{text}");
        }
    }

    #[test]
    fn what_is_no_format() {
        for text in ["", "16/", "/16", "x16", "su16", "+16", "16 ", "be", "s", "16bele", "-4", "16.0", "4294967296"] {
            assert_eq!(format(text), Err(PcmError::Form), "{text}");
        }
        for text in ["", "48000", "48000:2", "48000:2:16:1", ":2:16", "48000::16", "a:2:16", "48000:+2:16"] {
            assert_eq!(text.parse::<PcmSpec>(), Err(PcmError::Form), "{text}");
        }
        for (text, bits) in [("3", 3), ("33", 33), ("0", 0), ("64", 64), ("300", 300)] {
            assert_eq!(format(text), Err(PcmError::Bits(bits)), "{text}");
        }
        for (text, bits, container) in [("24/16", 24, 16), ("16/20", 16, 20), ("16/72", 16, 72), ("16/0", 16, 0)] {
            assert_eq!(format(text), Err(PcmError::Container { bits, container }), "{text}");
        }
        assert_eq!("1:70000:16".parse::<PcmSpec>().unwrap().channels, u16::MAX, "refused where channels are judged");
    }
}
