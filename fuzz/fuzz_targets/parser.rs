//! The WAV parser: any bytes, cut anywhere, give the same pieces as the whole, which are all bytes of the input.

#![no_main]

use arbitrary::Arbitrary;
use converter::wav::{Format, Parser, Piece, Rules, Skip, WavError};
use converter_fuzz::choices::RulesChoice;
use converter_fuzz::cuts::Cuts;
use converter_fuzz::wav::WavFile;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    rules: RulesChoice,
    cuts: Cuts,
    input: Input<'a>,
}

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    File(WavFile),
    Bytes(&'a [u8]),
}

/// What came out, pieces of a kind put together.
#[derive(Debug, Default, PartialEq)]
struct Found {
    pieces: Vec<(&'static str, Vec<u8>)>,
    formats: Vec<Format>,
    end: String,
}

impl Found {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), WavError> {
        let (kind, bytes) = match piece {
            Piece::Header(bytes) => ("header", bytes),
            Piece::Chunk { header, .. } => ("chunk", header),
            Piece::Body(bytes) => ("body", bytes),
            Piece::Audio(bytes) => ("audio", bytes),
            Piece::Padding(bytes) => ("padding", bytes),
            Piece::Junk(bytes) => ("junk", bytes),
            Piece::Format(format) => {
                self.formats.push(format);
                return Ok(());
            }
        };
        match self.pieces.last_mut() {
            Some((last, all)) if *last == kind && kind != "chunk" => all.extend(bytes),
            _ if bytes.is_empty() => {}
            _ => self.pieces.push((kind, bytes.to_vec())),
        }
        Ok(())
    }

    fn bytes(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|(_, bytes)| bytes).copied().collect()
    }
}

fn parse(rules: Rules, bytes: &[u8], cuts: Option<&Cuts>) -> Found {
    let mut found = Found::default();
    let mut parser = Parser::new(rules);
    let pushed = match cuts {
        Some(cuts) => cuts.feed(bytes, |piece| parser.push(piece, &mut |piece| found.take(piece))),
        None => parser.push(bytes, &mut |piece| found.take(piece)),
    };
    let ended = pushed.and_then(|()| parser.finish(&mut |piece| found.take(piece)));
    found.end = format!("{ended:?}");
    assert!(bytes.starts_with(&found.bytes()), "pieces are the input's bytes");
    assert!(ended.is_err() || found.bytes().len() == bytes.len(), "no byte is lost");
    assert!(found.formats.len() <= 1);
    found
}

/// A scan that passes over the audio finds all but the audio.
fn scan(rules: Rules, mut bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut parser = Parser::new(rules);
    let ended = loop {
        let skipped = match parser.skippable() {
            _ if bytes.is_empty() => 0,
            Some(Skip::Bytes(count)) => usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len()),
            Some(Skip::ToEnd) => bytes.len(),
            None => 0,
        };
        parser.skip(skipped as u64);
        bytes = &bytes[skipped..];
        let Some((now, later)) = bytes.split_first_chunk::<1>() else {
            break parser.finish(&mut |piece| found.take(piece));
        };
        if let Err(error) = parser.push(now, &mut |piece| found.take(piece)) {
            break Err(error);
        }
        bytes = later;
    };
    found.end = format!("{ended:?}");
    found
}

fuzz_target!(|case: Case<'_>| {
    let bytes = match &case.input {
        Input::File(file) => file.bytes.as_slice(),
        Input::Bytes(bytes) => bytes,
    };
    let rules = case.rules.rules();
    let mut whole = parse(rules, bytes, None);
    let cut = parse(rules, bytes, Some(&case.cuts));
    assert_eq!(whole, cut);
    let mut scanned = scan(rules, bytes);
    whole.pieces.retain(|(kind, _)| *kind != "audio");
    scanned.pieces.retain(|(kind, _)| *kind != "audio");
    assert_eq!(whole, scanned);
});
