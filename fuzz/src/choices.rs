//! The converter's options as a fuzzer chooses them.

use arbitrary::Arbitrary;
use converter::convert::{Input, Level, Options, PcmFormat};
use converter::wav::{Float, Length, Rules, ValidBits};

/// How the input is read.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub struct RulesChoice {
    length: u8,
    valid_bits: u8,
    float: u8,
}

impl RulesChoice {
    pub fn rules(self) -> Rules {
        Rules {
            length: [Length::Auto, Length::Auto, Length::Header, Length::Eof][usize::from(self.length % 4)],
            valid_bits: [ValidBits::Declared, ValidBits::Declared, ValidBits::Container, ValidBits::Low]
                [usize::from(self.valid_bits % 4)],
            float: [Float::Refuse, Float::To16, Float::To24][usize::from(self.float % 3)],
        }
    }
}

/// How the audio is written.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub struct OptionsChoice {
    pub rules: RulesChoice,
    level: u8,
}

impl OptionsChoice {
    pub fn level(self) -> Level {
        Level::new(self.level % 9).unwrap_or_default()
    }

    /// Options for a WAV file, or for headerless PCM of this format.
    pub fn options(self, pcm: Option<PcmFormat>) -> Options {
        Options {
            level: self.level(),
            length: self.rules.rules().length,
            input: pcm.map_or(Input::Auto, Input::Pcm),
        }
    }
}
