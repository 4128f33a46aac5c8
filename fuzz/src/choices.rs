//! The converter's options as a fuzzer chooses them.

use std::num::NonZeroUsize;

use arbitrary::Arbitrary;
use converter::convert::{
    Engine, Float, HeadPlace, Input, Length, Level, Metadata, MetadataOptions, Options, PcmFormat, Rules, Subset,
    ValidBits, Verify,
};

/// All engines, the default first.
pub const ENGINES: [Engine; 3] = [Engine::Native, Engine::Portable, Engine::Flacenc];

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

/// Everything that a caller may choose.
#[derive(Arbitrary, Debug, Clone)]
pub struct OptionsChoice {
    pub rules: RulesChoice,
    level: u8,
    engine: u8,
    block_size: Option<u16>,
    strict: u8,
    threads: u8,
    verify: bool,
    foreign: bool,
    limit: Option<u16>,
    padding: u16,
    tags: Vec<(u8, String)>,
    head: u8,
}

impl OptionsChoice {
    /// Options for a WAV file, or for headerless PCM of this format.
    pub fn options(&self, pcm: Option<PcmFormat>) -> Options {
        let names = ["TITLE", "artist", "X", "Comment"];
        let tags = self.tags.iter().take(5);
        Options {
            level: Level::new(self.level % 9).unwrap_or_default(),
            engine: ENGINES[usize::from(self.engine % 3)],
            block_size: self.block_size.unwrap_or(4096).max(16),
            input: pcm.map_or(Input::Auto, Input::Pcm),
            rules: self.rules.rules(),
            subset: if self.strict % 8 == 7 { Subset::Strict } else { Subset::Prefer },
            threads: NonZeroUsize::new(usize::from(self.threads % 3) + 1).unwrap_or(NonZeroUsize::MIN),
            spare: None,
            verify: if self.verify { Verify::Yes } else { Verify::No },
            metadata: MetadataOptions {
                keep: if self.foreign { Metadata::Foreign } else { Metadata::Tags },
                limit: self.limit.map_or(MetadataOptions::LIMIT, u64::from),
                padding: self.padding.into(),
                tags: tags.map(|(name, value)| (names[usize::from(name % 4)].to_owned(), value.clone())).collect(),
                pictures: Vec::new(),
            },
            head: [HeadPlace::Held, HeadPlace::Rewritable, HeadPlace::Reserved, HeadPlace::Final]
                [usize::from(self.head % 4)],
        }
    }
}
