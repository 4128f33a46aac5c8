//! The classes of signals that xiph/flac tests its encoder with (its `test_streams` makes them, its `test_streams.sh`
//! says with which block sizes and rates they are encoded), made anew here: files of hardly any samples, full-scale
//! deflection, wasted bits, sines, noise, and lengths around whole blocks.

use std::f64::consts::TAU;

use super::{Random, noise};

/// Audio, and the size of the blocks that it is cut into.
#[derive(Debug, Clone)]
pub struct Signal {
    /// What it is; for sounds of xiph/flac that have a name, that name.
    pub name: String,
    pub channels: u16,
    pub bits: u16,
    pub rate: u32,
    pub block_size: u16,
    /// Interleaved.
    pub samples: Vec<i32>,
}

impl Signal {
    fn new(name: impl Into<String>, channels: u16, bits: u16, samples: Vec<i32>) -> Self {
        Self { name: name.into(), channels, bits, rate: 44_100, block_size: 4096, samples }
    }

    fn noise(channels: u16, bits: u16, length: usize) -> Self {
        let name = format!("{length} samples of noise, {channels} channels, {bits} bits");
        let seed = length as u64 + 1;
        Self::new(name, channels, bits, noise(length, channels.into(), bits.into(), seed))
    }

    fn in_blocks(self, block_size: u16) -> Self {
        Self { name: format!("{}, blocks of {block_size}", self.name), block_size, ..self }
    }

    fn at(self, rate: u32) -> Self {
        Self { name: format!("{}, {rate} Hz", self.name), rate, ..self }
    }
}

/// One sample, and five, in one channel and in two.
pub fn tiny() -> Vec<Signal> {
    vec![
        Signal::new("test01", 1, 16, vec![-32_768]),
        Signal::new("test02", 2, 16, vec![-32_768, 32_767]),
        Signal::new("test03", 1, 16, vec![-25, 0, 25, 50, 100]),
        Signal::new("test04", 2, 16, vec![-25, 500, 0, 400, 25, 300, 50, 200, 100, 100]),
    ]
}

/// Nothing but the two ends of the range, in patterns that fixed and linear predictors overshoot.
pub fn full_scale_deflection() -> Vec<Signal> {
    const PATTERNS: [&[i32]; 7] = [
        &[1, -1],
        &[1, 1, -1],
        &[1, -1, -1],
        &[1, -1, 1, -1],
        &[1, -1, -1, 1],
        &[1, -1, 1, 1, -1],
        &[1, -1, -1, 1, -1],
    ];
    let mut signals = Vec::new();
    for bits in [8_u16, 16, 24, 32] {
        for (number, pattern) in PATTERNS.iter().enumerate() {
            let (low, high) = (i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
            let once = pattern.iter().map(|sign| if *sign < 0 { low } else { high });
            let samples = once.cycle().take(pattern.len() * 100).collect();
            signals.push(Signal::new(format!("fsd{bits}-{:02}", number + 1), 1, bits, samples));
        }
    }
    signals
}

/// The lowest bits of every sample are zero; in one channel of two, in all, in some blocks only.
pub fn wasted_bits() -> Vec<Signal> {
    let ramp = |length: i32| (0..length).map(|sample| (sample % 2000) << 2);
    let mut signals = vec![Signal::new("wbps16-01", 1, 16, ramp(1000).collect())];
    let mut random = Random::new(5);
    for bits in [8_u16, 16, 24, 32] {
        for wasted in [1, 3, bits / 2, bits - 1] {
            let mut coarse = || ((random.bits() as i32) >> (32 - bits)) & (-1 << wasted);
            let both = (0..6000).map(|_| coarse()).collect();
            signals.push(Signal::new(format!("{wasted} of {bits} bits wasted"), 2, bits, both));
            let one = (0..6000).map(|sample| coarse() | (sample % 2)).collect();
            signals.push(Signal::new(format!("{wasted} of {bits} bits wasted in one channel"), 2, bits, one));
            // Only the second block has anything in its lowest bit.
            let some = (0..12_000).map(|sample| coarse() | i32::from(sample == 5_000)).collect();
            signals.push(Signal::new(format!("{wasted} of {bits} bits wasted at times"), 1, bits, some));
        }
    }
    signals
}

/// Two sines: the sample rate, and pitch (Hz) and amplitude of each.
type Sines = (u32, [(f64, f64); 2]);

const MONO: [Sines; 5] = [
    (48_000, [(441.0, 0.50), (441.0, 0.49)]),
    (96_000, [(441.0, 0.61), (661.5, 0.37)]),
    (44_100, [(441.0, 0.50), (882.0, 0.49)]),
    (44_100, [(441.0, 0.50), (4410.0, 0.49)]),
    (44_100, [(8820.0, 0.70), (4410.0, 0.29)]),
];

/// The same, and by how much the pitch of the other channel differs, which is turned round too.
const STEREO: [(Sines, f64); 10] = [
    ((48_000, [(441.0, 0.50), (441.0, 0.49)]), 1.0),
    ((48_000, [(441.0, 0.61), (661.5, 0.37)]), 1.0),
    ((96_000, [(441.0, 0.50), (882.0, 0.49)]), 1.0),
    ((44_100, [(441.0, 0.50), (4410.0, 0.49)]), 1.0),
    ((44_100, [(8820.0, 0.70), (4410.0, 0.29)]), 1.0),
    ((44_100, [(441.0, 0.50), (441.0, 0.49)]), 0.5),
    ((44_100, [(441.0, 0.61), (661.5, 0.37)]), 2.0),
    ((44_100, [(441.0, 0.50), (882.0, 0.49)]), 0.7),
    ((44_100, [(441.0, 0.50), (4410.0, 0.49)]), 1.3),
    ((44_100, [(8820.0, 0.70), (4410.0, 0.29)]), 0.1),
];

/// Pure sounds, which linear prediction takes nearly everything of.
pub fn sines() -> Vec<Signal> {
    const LENGTH: usize = 200_000;
    let mut signals = Vec::new();
    for bits in [8_u16, 16, 24] {
        let peak = f64::from(i32::MAX >> (32 - bits));
        let value = |(rate, sines): Sines, time: usize, pitch: f64| {
            let sine = |(hertz, amplitude): (f64, f64)| {
                amplitude * (time as f64 * hertz / f64::from(rate) * TAU * pitch).sin()
            };
            sines.into_iter().map(sine).sum::<f64>()
        };
        let round = |value: f64| (value * peak + 0.5) as i32;
        for (number, sines) in MONO.into_iter().enumerate() {
            let samples = (0..LENGTH).map(|time| round(value(sines, time, 1.0))).collect();
            signals.push(Signal::new(format!("sine{bits}-{number:02}"), 1, bits, samples).at(sines.0));
        }
        for (number, (sines, other)) in STEREO.into_iter().enumerate() {
            let both = |time| [round(value(sines, time, 1.0)), round(-value(sines, time, other))];
            let samples = (0..LENGTH).flat_map(both).collect();
            signals.push(Signal::new(format!("sine{bits}-{}", number + 10), 2, bits, samples).at(sines.0));
        }
    }
    signals
}

/// Noise of 32 samples in blocks of 16 to 33: predictors as long as the block, last blocks of one sample.
pub fn short_blocks() -> Vec<Signal> {
    let mut signals = Vec::new();
    for (bits, channels) in all_shapes() {
        signals.extend((16..=33).map(|block_size| Signal::noise(channels, bits, 32).in_blocks(block_size)));
    }
    signals
}

/// Block sizes and sample rates on either side of those that have a code of their own in a frame's header.
pub fn frame_headers() -> Vec<Signal> {
    let sizes = [192..=192, 254..=257, 510..=512, 1022..=1025, 2046..=2049, 4094..=4097].into_iter().flatten();
    let mut signals = Vec::new();
    for block_size in sizes {
        let noise = |bits| Signal::noise(1, bits, usize::from(block_size) * 2 + 1).in_blocks(block_size);
        signals.extend([9, 90, 90_000].map(|rate| noise(16).at(rate)));
        signals.extend([8, 24, 32].map(noise));
    }
    signals
}

/// Every sample size and number of channels, with blocks of the usual size.
pub fn shapes() -> Vec<Signal> {
    all_shapes()
        .flat_map(|(bits, channels)| [1, 111, 4777].map(|length| Signal::noise(channels, bits, length)))
        .collect()
}

/// Lengths on either side of a multiple of the block size.
pub fn fractions_of_blocks() -> Vec<Signal> {
    let mut signals = Vec::new();
    for (block_size, multiples) in [(33_u16, 1..=2), (256, 1..=4), (2048, 1..=2), (4608, 1..=2)] {
        for length in
            multiples.flat_map(|count| usize::from(block_size) * count - 2..=usize::from(block_size) * count + 2)
        {
            signals.extend([1, 2].map(|channels| Signal::noise(channels, 16, length).in_blocks(block_size)));
        }
    }
    signals
}

fn all_shapes() -> impl Iterator<Item = (u16, u16)> {
    [8, 16, 24, 32].into_iter().flat_map(|bits| [1, 2, 4, 8].map(|channels| (bits, channels)))
}
