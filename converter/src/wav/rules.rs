//! What a caller may decide about an input whose header leaves room for doubt: where the audio ends, which bits of a
//! container are the sample, what becomes of floating point. Each says what happens when nothing was decided.

use std::fmt;
use std::str::FromStr;

/// The caller's decisions about one input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Where the audio ends.
    pub length: Length,
    /// Which bits of a container are the sample.
    pub valid_bits: ValidBits,
    /// What becomes of floating-point samples.
    pub float: Float,
}

/// Where the audio ends when a file's header and its length disagree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Length {
    /// The declared length, if chunks or nothing follow; the end of the input, with a warning, if the length is
    /// unknown or past it; a refusal if bytes follow that are no chunks.
    #[default]
    Auto,
    /// The declared length, whatever follows.
    Header,
    /// The end of the input, whatever is declared.
    Eof,
}

/// Which bits of a container hold the sample, when the header declares fewer bits than the container has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValidBits {
    /// As the format says: the highest ones. The bits below them must be zero.
    #[default]
    Declared,
    /// All of them, whatever is declared.
    Container,
    /// The lowest ones, as ALSA's S24_LE has them.
    Low,
}

/// What becomes of floating-point samples, which FLAC cannot hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Float {
    /// They are refused.
    #[default]
    Refuse,
    /// They are rounded to 16 bits.
    To16,
    /// They are rounded to 24 bits.
    To24,
}

/// A word that is none of the choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of the choices: write {choices}")]
pub struct UnknownChoice {
    found: String,
    choices: &'static str,
}

/// One table a choice: the words of the command line and of HTTP, from which reading and writing both come.
macro_rules! choices {
    ($choice:ident, $choices:literal, $($word:literal => $value:ident),+) => {
        impl FromStr for $choice {
            type Err = UnknownChoice;

            fn from_str(text: &str) -> Result<Self, UnknownChoice> {
                match text {
                    $($word => Ok(Self::$value),)+
                    other => Err(UnknownChoice { found: other.to_owned(), choices: $choices }),
                }
            }
        }

        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$value => $word,)+
                })
            }
        }
    };
}

choices!(Length, "auto, header or eof", "auto" => Auto, "header" => Header, "eof" => Eof);
choices!(ValidBits, "declared, container or low", "declared" => Declared, "container" => Container, "low" => Low);
choices!(Float, "refuse, 16 or 24", "refuse" => Refuse, "16" => To16, "24" => To24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_reads_back_what_it_writes() {
        for length in [Length::Auto, Length::Header, Length::Eof] {
            assert_eq!(length.to_string().parse(), Ok(length));
        }
        for bits in [ValidBits::Declared, ValidBits::Container, ValidBits::Low] {
            assert_eq!(bits.to_string().parse(), Ok(bits));
        }
        for float in [Float::Refuse, Float::To16, Float::To24] {
            assert_eq!(float.to_string().parse(), Ok(float));
        }
        let error = "high".parse::<ValidBits>().unwrap_err().to_string();
        assert_eq!(error, "\"high\" is none of the choices: write declared, container or low");
    }
}
