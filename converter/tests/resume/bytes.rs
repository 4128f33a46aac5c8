//! Bytes that are no checkpoint, or another one than was written: whoever knows the key may send them.

use converter::convert::{Checkpoint, CheckpointError, Conversion, Level, Options};
use proptest::prelude::*;

use crate::harness::stream_options;
use crate::sounds::sounds;
use crate::support::noise;

/// The bytes of a checkpoint within a stream of some kind.
fn checkpoints() -> impl Strategy<Value = Vec<u8>> {
    (sounds(64, 9), 0..=8_u8, 0..=1000_usize).prop_filter_map("no checkpoint", |(sound, level, at)| {
        let (input, options, _) = sound.make();
        let options = Options { block_size: 64, level: Level::new(level).unwrap(), ..options };
        let mut conversion = Conversion::new(&options);
        conversion.push(&input[..input.len() * at / 1000], &mut Vec::new()).ok()?;
        Some(conversion.checkpoint()?.to_bytes())
    })
}

/// What is taken has one form only, and can be gone on with: to the end, or an error says why not.
fn take(bytes: &[u8]) -> bool {
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes) else { return false };
    assert_eq!(checkpoint.to_bytes(), bytes);
    let samples = noise(3000, 1, 8, 9);
    let audio: Vec<u8> = samples.iter().map(|sample| sample.to_le_bytes()[0]).collect();
    let mut conversion = Conversion::resume(&checkpoint);
    let mut out = Vec::new();
    let mut taken = true;
    for _ in 0..20 {
        taken = taken && conversion.push(&audio, &mut out).is_ok();
        assert!(!taken || conversion.checkpoint().is_some_and(|next| Checkpoint::from_bytes(&next.to_bytes()).is_ok()));
    }
    drop(conversion.finish(&mut out));
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..300), version: bool) {
        if let Some(first) = bytes.first_mut().filter(|_| version) {
            *first = 1;
        }
        take(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_part_of_a_checkpoint_is_refused(bytes in checkpoints()) {
        prop_assert!(take(&bytes));
        for length in 0..bytes.len() {
            prop_assert!(Checkpoint::from_bytes(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        prop_assert_eq!(Checkpoint::from_bytes(&longer), Err(CheckpointError::Malformed));
    }

    #[test]
    fn a_checkpoint_of_other_bytes_is_refused_or_harmless(
        bytes in checkpoints(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        for (place, byte) in &changes {
            let mut one = bytes.clone();
            *place.get_mut(&mut one) ^= byte;
            take(&one);
            *place.get_mut(&mut one) = *byte;
            take(&one);
        }
        let mut all = bytes;
        for (place, byte) in changes {
            *place.get_mut(&mut all) ^= byte & 3;
        }
        take(&all);
    }

    #[test]
    fn every_bit_that_turns_over_is_refused_or_harmless(bytes in checkpoints(), bit in 0..8_u8) {
        for at in 0..bytes.len() {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << bit;
            take(&turned);
        }
    }
}

#[test]
fn another_version_is_told_from_nonsense() {
    let input = crate::support::Wav::pcm(1, 8_000, 16, &[0; 100]);
    let mut conversion = Conversion::new(&stream_options());
    conversion.push(&input, &mut Vec::new()).unwrap();
    let mut bytes = conversion.checkpoint().unwrap().to_bytes();
    bytes[0] = 2;
    let error = Checkpoint::from_bytes(&bytes).unwrap_err();
    assert_eq!(error, CheckpointError::Version { found: 2 });
    assert!(error.to_string().contains("form 2") && error.to_string().contains("reads form 1"), "{error}");
    assert_eq!(Checkpoint::from_bytes(&[]), Err(CheckpointError::Malformed));
    assert_eq!(Checkpoint::from_bytes(&[1; 5000]), Err(CheckpointError::Malformed));
}
