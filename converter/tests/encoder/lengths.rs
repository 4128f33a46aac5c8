//! Lengths around the edges of a block, blocks of every size around the usual ones, and the largest.

use converter::flac::Shape;

use crate::case::Case;
use crate::judges::Judges;
use crate::sounds::{SOUNDS, Sound};

fn shape(channels: u8, bits_per_sample: u8, block_size: u16) -> Shape {
    Shape { channels, sample_rate: 44_100, bits_per_sample, block_size }
}

fn samples(sound: Sound, shape: Shape, count: usize) -> Vec<i32> {
    sound.samples(count, shape.channels.into(), shape.bits_per_sample.into(), count as u64)
}

fn edges_come_back(block_sizes: [u16; 2]) {
    let mut judges = Judges::new();
    let mut turn = 0;
    for (bits, channels) in [(4, 1), (8, 1), (12, 3), (16, 2), (24, 2), (31, 1), (32, 2)] {
        for block_size in block_sizes {
            let shape = shape(channels, bits, block_size);
            let whole = usize::from(block_size);
            for count in (1..=40).chain(whole - 2..=whole + 35).chain(2 * whole - 1..=2 * whole + 1) {
                let sound = SOUNDS[turn % SOUNDS.len()];
                for (level, sound) in [(turn % 9, sound), ((turn + 4) % 9, Sound::Music)] {
                    Case::new(sound, shape, level, samples(sound, shape, count)).check(turn, &mut judges);
                }
                turn += 1;
            }
        }
    }
    judges.finish(2 * turn, turn);
}

#[test]
fn every_length_around_the_edges_of_tiny_blocks_comes_back() {
    edges_come_back([16, 24]);
}

#[test]
fn every_length_around_the_edges_of_small_blocks_comes_back() {
    edges_come_back([64, 256]);
}

#[test]
fn short_ends_of_long_blocks_come_back() {
    let mut judges = Judges::new();
    let mut turn = 0;
    for (bits, channels) in [(16, 2), (24, 2), (16, 1), (32, 2)] {
        let shape = shape(channels, bits, 4096);
        for end in (1..=33).chain([63, 64, 65, 1000, 2047, 2048, 2049, 4094, 4095, 4096]) {
            let sound = SOUNDS[(turn * 5) % SOUNDS.len()];
            // The block before is whole, so that what a level keeps from block to block is there.
            Case::new(sound, shape, turn % 9, samples(sound, shape, 4096 + end)).check(turn, &mut judges);
            turn += 1;
        }
    }
    judges.finish(turn, turn / 2);
}

#[test]
fn blocks_of_every_small_size_come_back() {
    let mut judges = Judges::new();
    let mut turn = 0;
    for block_size in
        (16..=130).chain([191, 192, 193, 255, 256, 257, 511, 512, 513, 1023, 1025, 2047, 2049, 4095, 4097])
    {
        for (bits, channels) in [(16, 2), (24, 1), (8, 2)] {
            let shape = shape(channels, bits, block_size);
            let sound = [Sound::Music, Sound::Speech, Sound::Fading, Sound::Noise, Sound::Mixed][turn % 5];
            let count = usize::from(block_size) * 2 + turn % 16;
            Case::new(sound, shape, turn % 9, samples(sound, shape, count)).check(turn, &mut judges);
            turn += 1;
        }
    }
    judges.finish(turn, turn / 2);
}

#[test]
fn the_largest_blocks_come_back() {
    let mut judges = Judges::new();
    let mut turn = 0;
    for (bits, channels, block_size) in [
        (16, 2, 16_384),
        (16, 2, 32_767),
        (16, 1, 32_768),
        (24, 2, 65_535),
        (32, 1, 65_535),
        (13, 1, 65_535),
        (8, 8, 65_535),
    ] {
        let shape = shape(channels, bits, block_size);
        for sound in [Sound::Music, Sound::Noise, Sound::Impulse, Sound::BrokenExtremes, Sound::Quiet] {
            let samples = samples(sound, shape, usize::from(block_size) + 100);
            Case::new(sound, shape, (turn * 2 + 1) % 9, samples).check(turn, &mut judges);
            turn += 1;
        }
    }
    judges.finish(turn, turn / 2);
}
