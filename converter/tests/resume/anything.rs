//! Inputs of every kind, broken off anywhere, several times.

use converter::convert::{Engine, Level, Verify};
use proptest::prelude::*;

use crate::harness::{Breaks, assert_decodes, assert_same, broken, whole};
use crate::sounds::{Claim, Sound, sounds};

/// Where a stream is broken off, in thousandths of the input, and how many more are sent before it is lost.
type Losses = Vec<(usize, usize)>;

fn losses() -> impl Strategy<Value = Losses> {
    prop::collection::vec((0..=1000_usize, 0..=300_usize), 1..6)
}

fn try_it(sound: &Sound, block_size: u16, level: u8, piece: usize, losses: &[(usize, usize)]) {
    let (input, mut options, samples) = sound.make();
    options.block_size = block_size;
    options.level = Level::new(level).unwrap();
    options.verify = if level.is_multiple_of(2) { Verify::Yes } else { Verify::No };
    options.engine = [Engine::Native, Engine::Portable, Engine::Flacenc][usize::from(level) % 3];
    let part = |thousandths: &usize| input.len() * thousandths / 1000;
    let mut at: Vec<_> = losses.iter().map(|(at, later)| (part(at), part(later))).collect();
    at.sort_unstable();
    let case = format!("{sound:?}, blocks of {block_size}, level {level}, {} bytes, {at:?}", input.len());
    let whole = whole(&input, &options);
    let (broken, _) = broken(&input, &options, &Breaks { at, piece, seed: sound.seed });
    assert_same(&case, &broken, &whole);
    let (saved, summary) = match broken {
        // By chance the audio begins as a chunk does.
        Err(error) if sound.claim() == Some(Claim::Zero) && error.code() == "contradicting_header" => return,
        broken => broken.unwrap_or_else(|error| panic!("{case}: {error}")),
    };
    assert_decodes(&case, &saved, &summary, &samples);
}

fn small() -> impl Strategy<Value = (Sound, u16)> {
    (16..=700_u16).prop_flat_map(|block_size| (sounds(block_size, 9), Just(block_size)))
}

fn large() -> impl Strategy<Value = (Sound, u16)> {
    let sizes = prop_oneof![Just(4096_u16), Just(4608), Just(16_384), Just(65_535), 701..=65_535_u16];
    sizes.prop_flat_map(|block_size| (sounds(block_size, 3), Just(block_size)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_broken_stream_is_the_whole_one(
        (sound, block_size) in small(), level in 0..=8_u8, piece in 1..5000_usize, losses in losses(),
    ) {
        try_it(&sound, block_size, level, piece, &losses);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn so_it_is_with_large_blocks(
        (sound, block_size) in large(), level in 0..=8_u8, piece in 1..200_000_usize, losses in losses(),
    ) {
        try_it(&sound, block_size, level, piece, &losses);
    }
}
