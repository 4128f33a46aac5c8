//! A client that saves what comes, loses its connection at times, and goes on from the latest checkpoint that it had then.

use converter::convert::{
    CHECKPOINT_BYTES, Checkpoint, Conversion, ConvertError, HeadPlace, Options, Summary, Warning,
};
use converter::flac::decode;
use flac_codec::decode::FlacSampleReader;

use crate::support::{Random, signed_pcm};

/// What a client saved, and what it was told in the end.
pub type Saved = Result<(Vec<u8>, Summary), ConvertError>;

/// The options of a stream.
pub fn stream_options() -> Options {
    Options { head: HeadPlace::Reserved, ..Options::default() }
}

/// A stream that is never broken off.
pub fn whole(input: &[u8], options: &Options) -> Saved {
    let mut saved = Vec::new();
    let mut conversion = Conversion::new(options);
    if !input.is_empty() {
        conversion.push(input, &mut saved)?;
    }
    let summary = conversion.finish(&mut saved)?;
    Ok((saved, summary))
}

/// A checkpoint after its way through a token.
pub fn sent(checkpoint: &Checkpoint) -> Checkpoint {
    let bytes = checkpoint.to_bytes();
    assert!(bytes.len() <= CHECKPOINT_BYTES, "{} bytes", bytes.len());
    let read = Checkpoint::from_bytes(&bytes).unwrap();
    assert_eq!(&read, checkpoint);
    assert_eq!(read.to_bytes(), bytes);
    read
}

/// When connections are lost.
pub struct Breaks {
    /// Bytes of input after which a checkpoint is taken; and how many more are sent until the connection is lost.
    pub at: Vec<(usize, usize)>,
    /// Most bytes that are sent at once.
    pub piece: usize,
    pub seed: u64,
}

/// A stream that is broken off so often; also how often it was gone on with.
pub fn broken(input: &[u8], options: &Options, breaks: &Breaks) -> (Saved, usize) {
    let mut resumed = 0;
    (go_through(input, options, breaks, &mut resumed), resumed)
}

fn go_through(input: &[u8], options: &Options, breaks: &Breaks, resumed: &mut usize) -> Saved {
    let mut random = Random::new(breaks.seed | 1);
    let mut saved = Vec::new();
    let mut conversion = Conversion::new(options);
    let mut at = 0;
    for (checkpoint_at, later) in &breaks.at {
        let mut feed = |conversion: &mut Conversion, saved: &mut Vec<u8>, at: &mut usize, end: usize| {
            while *at < end {
                let piece = (1 + random.bits() as usize % breaks.piece).min(end - *at);
                conversion.push(&input[*at..*at + piece], saved)?;
                *at += piece;
            }
            Ok(())
        };
        let checkpoint_at = (*checkpoint_at).min(input.len());
        feed(&mut conversion, &mut saved, &mut at, checkpoint_at)?;
        let Some(checkpoint) = conversion.checkpoint() else { continue };
        let checkpoint = sent(&checkpoint);
        check(&checkpoint, &conversion, &saved, at);
        let lost_at = (at + later).min(input.len());
        let lost = feed(&mut conversion, &mut saved, &mut at, lost_at);
        // What the server found wrong before the connection was lost, it finds again.
        drop(lost.map_err(|error: ConvertError| error));
        drop(conversion);
        saved.truncate(usize::try_from(checkpoint.bytes_out()).unwrap());
        at = usize::try_from(checkpoint.bytes_in()).unwrap();
        conversion = Conversion::resume(&checkpoint);
        assert_eq!(conversion.checkpoint().as_ref(), Some(&checkpoint), "nothing happened since");
        *resumed += 1;
    }
    while at < input.len() {
        let piece = (1 + random.bits() as usize % breaks.piece).min(input.len() - at);
        conversion.push(&input[at..at + piece], &mut saved)?;
        at += piece;
    }
    let summary = conversion.finish(&mut saved)?;
    Ok((saved, summary))
}

fn check(checkpoint: &Checkpoint, conversion: &Conversion, saved: &[u8], at: usize) {
    let progress = conversion.progress();
    assert_eq!((checkpoint.samples(), checkpoint.bytes_out()), (progress.samples, progress.bytes_out));
    assert_eq!(checkpoint.bytes_out(), saved.len() as u64, "all that was handed out");
    assert!(checkpoint.bytes_in() <= at as u64, "{} of {at}", checkpoint.bytes_in());
    assert_eq!(checkpoint.format(), *conversion.format().unwrap());
}

/// The codes of a stream's warnings, but for what the head left out.
pub fn codes(summary: &Summary) -> Vec<&'static str> {
    summary.warnings.iter().map(Warning::code).filter(|code| *code != "left_out").collect()
}

/// Refuses anything but the same stream; the head may say less if it says so.
pub fn assert_same(case: &str, broken: &Saved, whole: &Saved) {
    let ((saved, told), (wanted, expected)) = match (broken, whole) {
        (Ok(broken), Ok(whole)) => (broken, whole),
        (Err(broken), Err(whole)) => {
            assert_eq!(broken.to_string(), whole.to_string(), "{case}");
            return;
        }
        (broken, whole) => panic!("{case}: {:?}, not {:?}", broken.as_ref().err(), whole.as_ref().err()),
    };
    assert!(saved == wanted, "{case}: other bytes, {} and {}", saved.len(), wanted.len());
    let facts = |summary: &Summary| {
        let Summary { format, samples, bytes_in, bytes_out, md5, streaminfo, head_sent, clipped, subset, .. } =
            *summary;
        (format, samples, bytes_in, bytes_out, md5, streaminfo, head_sent, clipped, subset)
    };
    assert_eq!(facts(told), facts(expected), "{case}");
    assert_eq!(codes(told), codes(expected), "{case}");
    assert_eq!(told.head.len(), expected.head.len(), "{case}");
    if told.left_out == expected.left_out {
        assert!(told.head == expected.head, "{case}: another head");
    }
}

/// Refuses a stream that does not decode, with two decoders, to these samples.
pub fn assert_decodes(case: &str, saved: &[u8], summary: &Summary, samples: &[i32]) {
    let frames = &saved[summary.head_sent..];
    let file = [summary.head.as_slice(), frames].concat();
    let decoded = decode(file.as_slice()).unwrap();
    assert_eq!((decoded.samples, decoded.md5), (summary.samples, summary.md5), "{case}");
    assert_eq!(samples.len() as u64, summary.samples * u64::from(summary.format.channels), "{case}");
    let digest: [u8; 16] = {
        use md5::Digest as _;
        md5::Md5::digest(signed_pcm(samples, summary.format.bits_per_sample.into())).into()
    };
    assert_eq!(summary.md5, digest, "{case}");
    if samples.is_empty() {
        return;
    }
    // flac-codec wants cue sheets as CDs have them, so it gets no metadata.
    let bare = [b"fLaC\x80\0\0\x22".as_slice(), &summary.streaminfo, frames].concat();
    let mut found = Vec::new();
    FlacSampleReader::new(bare.as_slice()).unwrap().read_to_end(&mut found).unwrap();
    assert!(found == samples, "{case}: other samples");
}
