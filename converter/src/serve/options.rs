//! The options that a request may give in its address, and their words in errors. An option that is not known is
//! refused: ignoring it would convert otherwise than asked.

use std::{fmt::Display, str::FromStr};

use axum::{extract::Query, http::Uri};

use super::{args::Args, problem::Failure, upload::short};
use crate::cli::{pcm::PcmSpec, tag::Tag};
use crate::convert::{HeadPlace, Input, Level, Metadata, Options, PcmFormat, Verify};

pub(super) const CONVERT: [&str; 13] = [
    "level",
    "block_size",
    "verify",
    "metadata",
    "float",
    "length",
    "valid_bits",
    "subset",
    "padding",
    "tag",
    "pcm",
    "progressive",
    "filename",
];
const STREAM: [&str; 12] = [
    "level",
    "block_size",
    "verify",
    "metadata",
    "float",
    "length",
    "valid_bits",
    "subset",
    "format",
    "sample_rate",
    "channels",
    "bits_per_sample",
];

/// May be given many times.
const REPEATED: [&str; 1] = ["tag"];
/// Most bytes of padding: they are held in memory.
const MOST_PADDING: u32 = 1 << 20;

/// Whether `/convert` knows an option of this name.
pub(super) fn is_convert_option(name: &str) -> bool {
    CONVERT.contains(&name)
}

/// What `/convert` was asked.
#[derive(Debug, PartialEq)]
pub(super) struct ConvertOptions {
    pub options: Options,
    /// Overrides the name that the upload brings.
    pub filename: Option<String>,
    /// When the answer begins.
    pub answer: Answer,
}

/// When an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// When it is whole.
    Whole,
    /// With the first frame: what only the end tells stays unknown.
    Progressive,
}

/// The conversion that the server's flags ask for.
fn defaults(args: &Args) -> Options {
    let mut options =
        Options { level: args.level, engine: args.engine, block_size: args.block_size, ..Options::default() };
    options.verify = verify(args.verify);
    options.rules.float = args.float;
    options.metadata.keep = args.metadata;
    options.metadata.limit = args.max_metadata.0;
    options
}

/// Reads the options of `/convert`. Where its answer is spooled, the head comes last.
pub(super) fn convert(uri: &Uri, args: &Args) -> Result<ConvertOptions, Failure> {
    let mut options = Options { head: HeadPlace::Held, ..defaults(args) };
    let (mut filename, mut pcm, mut answer) = (None, None, Answer::Whole);
    for (name, value) in pairs(uri, &CONVERT)? {
        match name.as_str() {
            "level" => options.level = parsed(&name, &value)?,
            "block_size" => options.block_size = block_size(number(&name, &value)?)?,
            "verify" => options.verify = verify(parsed_bool(&name, &value)?),
            "metadata" => options.metadata.keep = parsed(&name, &value)?,
            "float" => options.rules.float = parsed(&name, &value)?,
            "length" => options.rules.length = parsed(&name, &value)?,
            "valid_bits" => options.rules.valid_bits = parsed(&name, &value)?,
            "subset" => options.subset = parsed(&name, &value)?,
            "padding" => options.metadata.padding = padding(number(&name, &value)?)?,
            "tag" => {
                let tag: Tag = parsed(&name, &value)?;
                options.metadata.tags.push((tag.name, tag.value));
            }
            "pcm" => pcm = Some(parsed::<PcmSpec>(&name, &value)?),
            "progressive" if parsed_bool(&name, &value)? => {
                answer = Answer::Progressive;
                options.head = HeadPlace::Final;
            }
            "progressive" => {}
            _ => filename = Some(value),
        }
    }
    if let Some(pcm) = pcm {
        let format = pcm.format(options.rules.valid_bits).map_err(|error| Failure::Convert(error.into()))?;
        options.input = Input::Pcm(format);
    }
    Ok(ConvertOptions { options, filename, answer })
}

/// What a stream was asked so far; the fields of the `start` message, which are also options of `/ws`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamOptions {
    level: Option<u8>,
    block_size: Option<u32>,
    verify: Option<bool>,
    metadata: Option<String>,
    float: Option<String>,
    length: Option<String>,
    valid_bits: Option<String>,
    subset: Option<String>,
    format: Option<StreamFormat>,
    sample_rate: Option<u32>,
    channels: Option<u16>,
    bits_per_sample: Option<u16>,
}

/// What the binary messages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum StreamFormat {
    Wav,
    Pcm,
}

/// Reads the options of `/ws`.
pub(super) fn stream(uri: &Uri) -> Result<StreamOptions, Failure> {
    let mut found = StreamOptions::default();
    for (name, value) in pairs(uri, &STREAM)? {
        match name.as_str() {
            "level" => found.level = Some(parsed::<Level>(&name, &value)?.get()),
            "block_size" => found.block_size = Some(number(&name, &value)?),
            "verify" => found.verify = Some(parsed_bool(&name, &value)?),
            "metadata" => found.metadata = Some(value),
            "float" => found.float = Some(value),
            "length" => found.length = Some(value),
            "valid_bits" => found.valid_bits = Some(value),
            "subset" => found.subset = Some(value),
            "format" => {
                found.format = Some(match value.as_str() {
                    "wav" => StreamFormat::Wav,
                    "pcm" => StreamFormat::Pcm,
                    _ => return Err(invalid(&name, &value, "it is wav or pcm")),
                });
            }
            "sample_rate" => found.sample_rate = Some(number(&name, &value)?),
            "channels" => found.channels = Some(number(&name, &value)?),
            _ => found.bits_per_sample = Some(number(&name, &value)?),
        }
    }
    Ok(found)
}

impl StreamOptions {
    /// These options, and `earlier` ones where these say nothing.
    pub(super) fn or(self, earlier: &Self) -> Self {
        Self {
            level: self.level.or(earlier.level),
            block_size: self.block_size.or(earlier.block_size),
            verify: self.verify.or(earlier.verify),
            metadata: self.metadata.or_else(|| earlier.metadata.clone()),
            float: self.float.or_else(|| earlier.float.clone()),
            length: self.length.or_else(|| earlier.length.clone()),
            valid_bits: self.valid_bits.or_else(|| earlier.valid_bits.clone()),
            subset: self.subset.or_else(|| earlier.subset.clone()),
            format: self.format.or(earlier.format),
            sample_rate: self.sample_rate.or(earlier.sample_rate),
            channels: self.channels.or(earlier.channels),
            bits_per_sample: self.bits_per_sample.or(earlier.bits_per_sample),
        }
    }

    /// What is kept beside the audio; None if that cannot be read.
    pub(super) fn metadata(&self, args: &Args) -> Option<Metadata> {
        self.metadata.as_ref().map_or(Some(args.metadata), |asked| asked.parse().ok())
    }

    /// Checks that the options fit together. The client can put the final head in the place of the first one, if both
    /// have the same length.
    pub(super) fn resolve(&self, args: &Args) -> Result<Options, Failure> {
        let mut options = Options { head: HeadPlace::Reserved, input: self.input()?, ..defaults(args) };
        if let Some(asked) = self.level {
            options.level = Level::new(asked).map_err(|error| invalid("level", &asked.to_string(), error))?;
        }
        if let Some(asked) = self.block_size {
            options.block_size = block_size(asked)?;
        }
        if let Some(asked) = self.verify {
            options.verify = verify(asked);
        }
        if let Some(asked) = &self.metadata {
            options.metadata.keep = parsed("metadata", asked)?;
        }
        if let Some(asked) = &self.float {
            options.rules.float = parsed("float", asked)?;
        }
        if let Some(asked) = &self.length {
            options.rules.length = parsed("length", asked)?;
        }
        if let Some(asked) = &self.valid_bits {
            options.rules.valid_bits = parsed("valid_bits", asked)?;
        }
        if let Some(asked) = &self.subset {
            options.subset = parsed("subset", asked)?;
        }
        Ok(options)
    }

    fn input(&self) -> Result<Input, Failure> {
        match (self.format, self.sample_rate, self.channels, self.bits_per_sample) {
            (None, None, None, None) => Ok(Input::Auto),
            (Some(StreamFormat::Wav), None, None, None) => Ok(Input::Wav),
            (Some(StreamFormat::Pcm), Some(rate), Some(channels), Some(bits)) => {
                PcmFormat::new(rate, channels, bits).map(Input::Pcm).map_err(|error| Failure::Convert(error.into()))
            }
            (Some(StreamFormat::Pcm), ..) => {
                Err(invalid("format", "pcm", "it needs sample_rate, channels and bits_per_sample beside it"))
            }
            _ => {
                let wanted = "only format pcm takes sample_rate, channels and bits_per_sample; a WAV's header has them";
                Err(invalid("format", if self.format.is_some() { "wav" } else { "" }, wanted))
            }
        }
    }
}

/// All options in the address, each known and there only once.
pub(super) fn pairs(uri: &Uri, known: &[&str]) -> Result<Vec<(String, String)>, Failure> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Failure::MalformedQuery)?;
    for (at, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(Failure::UnknownOption { name: short(name), known: known.join(", ") });
        }
        let once = !REPEATED.contains(&name.as_str());
        if once && pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(Failure::RepeatedOption { name: name.clone() });
        }
    }
    Ok(pairs)
}

fn verify(asked: bool) -> Verify {
    if asked { Verify::Yes } else { Verify::No }
}

/// FLAC's bounds (RFC 9639 §8.2).
fn block_size(asked: u32) -> Result<u16, Failure> {
    match u16::try_from(asked) {
        Ok(size) if size >= 16 => Ok(size),
        _ => Err(invalid("block_size", &asked.to_string(), "it is 16 to 65535 samples")),
    }
}

fn padding(asked: u32) -> Result<u32, Failure> {
    if asked > MOST_PADDING {
        return Err(invalid("padding", &asked.to_string(), format_args!("it is 0 to {MOST_PADDING} bytes")));
    }
    Ok(asked)
}

fn parsed<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|error| invalid(name, value, error))
}

fn parsed_bool(name: &str, value: &str) -> Result<bool, Failure> {
    value.parse().map_err(|_| invalid(name, value, "it is true or false"))
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|_| invalid(name, value, "it is a whole number"))
}

/// What is told of an option's value that cannot be.
pub(super) fn invalid(name: &str, value: &str, wanted: impl Display) -> Failure {
    Failure::InvalidOption { name: name.to_owned(), value: short(value), wanted: wanted.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::{Engine, Float, Length, Metadata};
    use crate::serve::args::tests::defaults as args;
    use crate::wav::Endian;

    fn uri(query: &str) -> Uri {
        format!("/x?{query}").parse().unwrap()
    }

    #[test]
    fn convert_reads_what_it_knows() {
        let found = convert(
            &uri("level=8&filename=na%C3%AFve+x.wav&length=eof&metadata=foreign&float=24&block_size=1152"),
            &args(),
        )
        .unwrap();
        assert_eq!(found.options.level.get(), 8);
        assert_eq!(found.options.rules.length, Length::Eof);
        assert_eq!(found.filename.as_deref(), Some("naïve x.wav"));
        assert_eq!((found.options.metadata.keep, found.options.rules.float), (Metadata::Foreign, Float::To24));
        assert_eq!(found.options.block_size, 1152);
        let found =
            convert(&uri("padding=0&tag=TITLE%3DDawn&tag=ARTIST%3DBird&pcm=48000:1:s24be&progressive=true"), &args())
                .unwrap();
        let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found.options.metadata.padding, 0);
        assert_eq!(found.options.metadata.tags, [tag("TITLE", "Dawn"), tag("ARTIST", "Bird")]);
        let format = PcmFormat::new(48_000, 1, 24).unwrap().with_endian(Endian::Big);
        assert_eq!(found.options.input, Input::Pcm(format));
        assert_eq!((found.answer, found.options.head), (Answer::Progressive, HeadPlace::Final));
        let args = Args { level: Level::SMALLEST, engine: Engine::Flacenc, ..args() };
        let options = convert(&"/x".parse().unwrap(), &args).unwrap().options;
        assert_eq!((options.level, options.engine), (Level::SMALLEST, Engine::Flacenc));
    }

    #[test]
    fn convert_refuses_what_it_does_not_know_and_says_so() {
        for (query, code, word) in [
            ("speed=9", "unknown_option", "`speed`"),
            ("engine=portable", "unknown_option", "`engine`"),
            ("level=9", "invalid_option", "0 (fastest) to 8"),
            ("level=", "invalid_option", "`level`"),
            ("level=1&level=2", "repeated_option", "`level`"),
            ("length=long", "invalid_option", "length"),
            ("padding=1048577", "invalid_option", "0 to 1048576"),
            ("tag=Dawn", "invalid_option", "NAME=VALUE"),
            ("pcm=48000", "invalid_option", "RATE:CHANNELS:FORMAT"),
            ("pcm=48000:9:16", "unsupported_channels", "9"),
            ("progressive=soon", "invalid_option", "true or false"),
            ("format=pcm", "unknown_option", "level, block_size, verify"),
        ] {
            let failure = convert(&uri(query), &args()).unwrap_err();
            assert_eq!(failure.code(), code, "{query}");
            assert!(failure.to_string().contains(word), "{query}: {failure}");
        }
    }

    #[test]
    fn a_stream_s_options_must_fit_together() {
        let resolve = |query: &str| stream(&uri(query)).and_then(|options| options.resolve(&args()));
        assert_eq!(resolve("").unwrap().input, Input::Auto);
        assert_eq!(resolve("format=wav&level=0").unwrap().level, Level::FASTEST);
        let pcm = resolve("format=pcm&sample_rate=48000&channels=2&bits_per_sample=24").unwrap();
        assert_eq!(pcm.input, Input::Pcm(PcmFormat::new(48_000, 2, 24).unwrap()));
        for (query, code) in [
            ("format=pcm", "invalid_option"),
            ("format=mp3", "invalid_option"),
            ("sample_rate=48000", "invalid_option"),
            ("format=wav&channels=2", "invalid_option"),
            ("format=pcm&sample_rate=48000&channels=9&bits_per_sample=16", "unsupported_channels"),
            ("format=pcm&sample_rate=fast&channels=2&bits_per_sample=16", "invalid_option"),
            ("block_size=8", "invalid_option"),
            ("metadata=all", "invalid_option"),
            ("float=32", "invalid_option"),
            ("verify=perhaps", "invalid_option"),
            ("speed=9", "unknown_option"),
        ] {
            assert_eq!(resolve(query).unwrap_err().code(), code, "{query}");
        }
    }

    #[test]
    fn the_start_message_wins_over_the_address() {
        let address = stream(&uri("level=1&format=wav")).unwrap();
        let start = StreamOptions { level: Some(7), ..StreamOptions::default() };
        assert_eq!(start.or(&address), StreamOptions { level: Some(7), ..address });
    }
}
