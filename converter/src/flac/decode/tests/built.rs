//! Streams put together bit by bit: what the encoders at hand do not write.

use super::super::crc::{crc8, crc16};
use super::super::{DecodeError, Decoder, FrameDecoder, FrameError, Place};
use super::decoded;
use crate::flac::Shape;

/// A stream of bits in the making.
#[derive(Default, Clone)]
pub struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    /// The low `width` bits of a number.
    pub fn put(mut self, width: u32, value: i64) -> Self {
        self.bits.extend((0..width).rev().map(|bit| value >> bit.min(63) & 1 == 1));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at));
        self.bits.chunks(8).map(byte).collect()
    }
}

/// The header of a subframe: its type, and bits that it wastes.
pub fn subframe(kind: i64, wasted: u32) -> BitWriter {
    let header = BitWriter::default().put(1, 0).put(6, kind);
    if wasted == 0 { header.put(1, 0) } else { header.put(1, 1).put(wasted, 1) }
}

/// A whole frame of a block with up to 256 samples: the rest of the header and the subframes as told.
pub fn frame(variable: bool, number: u8, samples: u16, assignment: i64, subframes: &[BitWriter]) -> Vec<u8> {
    let mut bytes = BitWriter::default()
        .put(15, 0x7FFC)
        .put(1, variable.into())
        .put(4, 0b0110)
        .put(4, 0)
        .put(4, assignment)
        .put(4, 0)
        .put(8, number.into())
        .put(8, i64::from(samples) - 1)
        .bytes();
    bytes.push(crc8(&bytes));
    let body: Vec<bool> = subframes.iter().flat_map(|subframe| subframe.bits.clone()).collect();
    bytes.extend(BitWriter { bits: body }.bytes());
    let checksum = crc16(&bytes);
    bytes.extend(checksum.to_be_bytes());
    bytes
}

/// The marker and STREAMINFO without totals.
pub fn head(min: u16, max: u16, channels: u8, bits: u8) -> Vec<u8> {
    let mut head = b"fLaC\x80\0\0\x22".to_vec();
    head.extend(min.to_be_bytes());
    head.extend(max.to_be_bytes());
    head.extend([0; 6]);
    let packed = 8_000_u64 << 44 | u64::from(channels - 1) << 41 | u64::from(bits - 1) << 36;
    head.extend(packed.to_be_bytes());
    head.extend([0; 16]);
    head
}

fn mono(bits: u8, samples: u16, subframe: &BitWriter) -> Result<Vec<i32>, DecodeError> {
    let frame = frame(false, 0, samples, 0, std::slice::from_ref(subframe));
    decoded(&[head(16, 4096, 1, bits), frame].concat()).map(|(_, samples)| samples)
}

fn frame_error(result: Result<Vec<i32>, DecodeError>) -> FrameError {
    match result {
        Err(DecodeError::Frame { frame: 0, error }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn wasted_bits_are_put_back() {
    assert_eq!(mono(16, 3, &subframe(0, 4).put(12, -5)).unwrap(), [-80; 3]);
    assert_eq!(mono(16, 2, &subframe(1, 15).put(1, 1).put(1, 0)).unwrap(), [-32768, 0]);
    let wasted_all = FrameError::Contradiction("one of its subframes wastes all bits");
    assert_eq!(frame_error(mono(16, 2, &subframe(1, 16).put(32, 0))), wasted_all);
    assert_eq!(frame_error(mono(16, 2, &subframe(1, 99).put(32, 0))), wasted_all);
}

#[test]
fn differences_have_33_bits() {
    let (min, max) = (i64::from(i32::MIN), i64::from(i32::MAX));
    let plain = |width: u32, values: [i64; 2]| subframe(1, 0).put(width, values[0]).put(width, values[1]);
    let expected = [i32::MAX, i32::MIN, i32::MIN, i32::MAX];
    for (assignment, subframes) in [
        (8, [plain(32, [max, min]), plain(33, [max - min, min - max])]),
        (9, [plain(33, [max - min, min - max]), plain(32, [min, max])]),
        (10, [plain(32, [-1, -1]), plain(33, [max - min, min - max])]),
    ] {
        let stream =
            |subframes: &[BitWriter]| [head(16, 16, 2, 32), frame(false, 0, 2, assignment, subframes)].concat();
        assert_eq!(decoded(&stream(&subframes)).unwrap().1, expected, "assignment {assignment}");
        // The same with a predictor: order 1, 2 residuals with their own 31 bits are too few, so a constant first.
        let mut beyond = subframes;
        let side = usize::from(assignment != 9);
        beyond[side] = plain(33, [1 << 32, -(1 << 32)].map(|value: i64| value - i64::from(value > 0)));
        let error = decoded(&stream(&beyond)).unwrap_err();
        assert!(matches!(error, DecodeError::Frame { error: FrameError::OutOfRange("a sample"), .. }), "{error}");
    }
}

#[test]
fn a_predicted_difference_has_33_bits_too() {
    // Fixed, order 1: a warm-up sample of 33 bits, then escaped residuals of 31.
    let warm_up = (1_i64 << 32) - 10;
    let side = subframe(9, 0).put(33, warm_up).put(6, 0).put(4, 15).put(5, 31).put(31, 7).put(31, -9);
    let left = subframe(0, 0).put(32, i64::from(i32::MAX));
    let stream = [head(16, 16, 2, 32), frame(false, 0, 3, 8, &[left, side])].concat();
    let right = |side: i64| i32::try_from(i64::from(i32::MAX) - side).unwrap();
    let expected = [warm_up, warm_up + 7, warm_up - 2].map(|side| [i32::MAX, right(side)]).concat();
    assert_eq!(decoded(&stream).unwrap().1, expected);
}

#[test]
fn linear_predictors_of_order_1_and_negative_coefficients_work() {
    // Order 1, 3 bits precision, shift 1, coefficient -3: each sample is -1.5 of the one before, rounded down.
    let predictor = subframe(32, 0).put(8, 8).put(4, 2).put(5, 1).put(3, -3);
    let stream = predictor.clone().put(6, 0).put(4, 0).put(1, 1).put(1, 1).put(1, 1);
    assert_eq!(mono(8, 4, &stream).unwrap(), [8, -12, 18, -27]);
    let forbidden = subframe(32, 0).put(8, 8).put(4, 15).put(40, 0);
    assert!(matches!(frame_error(mono(8, 4, &forbidden)), FrameError::Reserved(_)));
    let negative_shift = subframe(32, 0).put(8, 8).put(4, 2).put(5, -1).put(40, 0);
    assert!(matches!(frame_error(mono(8, 4, &negative_shift)), FrameError::Reserved(_)));
    let too_long = subframe(32 + 4, 0).put(100, 0);
    assert!(matches!(frame_error(mono(8, 4, &too_long)), FrameError::Contradiction(_)));
}

#[test]
fn samples_beyond_their_bits_are_refused() {
    // 8 bits: 127, then a residual of 1.
    let stream = subframe(9, 0).put(8, 127).put(6, 0).put(4, 15).put(5, 2).put(2, 1);
    assert_eq!(frame_error(mono(8, 2, &stream)), FrameError::OutOfRange("a sample"));
    // Left and right that come out of a middle and a difference of the right size.
    let constant = |width: u32, value: i64| subframe(0, 0).put(width, value);
    for (assignment, first, second) in [
        (8, constant(8, 127), constant(9, -1)),
        (9, constant(9, 1), constant(8, 127)),
        (10, constant(8, 127), constant(9, 3)),
    ] {
        let stream = [head(16, 16, 2, 8), frame(false, 0, 2, assignment, &[first, second])].concat();
        let error = decoded(&stream).unwrap_err();
        assert!(matches!(error, DecodeError::Frame { error: FrameError::OutOfRange("a sample"), .. }), "{error}");
    }
}

#[test]
fn reserved_subframes_are_refused() {
    for kind in [2, 7, 13, 31] {
        assert_eq!(frame_error(mono(8, 2, &subframe(kind, 0).put(99, 0))), FrameError::Reserved("a subframe's type"));
    }
    let set = BitWriter::default().put(8, 0x80).put(99, 0);
    assert_eq!(frame_error(mono(8, 2, &set)), FrameError::Reserved("a subframe's first bit"));
}

/// A mono frame of constant samples, as many as its number says.
fn constant(variable: bool, number: u8, samples: u16) -> Vec<u8> {
    frame(variable, number, samples, 0, &[subframe(0, 0).put(8, number.into())])
}

#[test]
fn blocks_of_different_sizes_are_decoded_in_their_order() {
    let blocks = |numbers: [u8; 3], variable| {
        let sizes = [20, 30, 16];
        let frames = numbers.into_iter().zip(sizes).map(|(number, size)| constant(variable, number, size));
        [head(16, 30, 1, 8)].into_iter().chain(frames).collect::<Vec<_>>().concat()
    };
    assert_eq!(decoded(&blocks([0, 20, 50], true)).unwrap().1.len(), 66);
    // From before FLAC 1.2.0: only STREAMINFO tells that sizes differ.
    assert_eq!(decoded(&blocks([0, 20, 50], false)).unwrap().1.len(), 66);
    assert_eq!(decoded(&blocks([0, 1, 2], false)).unwrap().1.len(), 66);
    for (numbers, variable) in [([0, 1, 2], true), ([0, 20, 51], true), ([1, 2, 3], false), ([0, 2, 3], false)] {
        assert!(matches!(decoded(&blocks(numbers, variable)), Err(DecodeError::OutOfOrder { .. })), "{numbers:?}");
    }
    let mixed = [head(16, 30, 1, 8), constant(true, 0, 20), constant(false, 1, 20)].concat();
    assert!(matches!(decoded(&mixed), Err(DecodeError::OutOfOrder { frame: 1, .. })));
}

#[test]
fn in_a_stream_of_one_block_size_only_the_last_is_shorter() {
    let stream = |sizes: &[u16]| {
        let frames = sizes.iter().zip(0..).map(|(size, number)| constant(false, number, *size));
        [head(20, 20, 1, 8)].into_iter().chain(frames).collect::<Vec<_>>().concat()
    };
    assert_eq!(decoded(&stream(&[20, 20, 3])).unwrap().1.len(), 43);
    assert!(matches!(decoded(&stream(&[20, 3, 20])), Err(DecodeError::AfterLast { frame: 2 })));
    let error = decoded(&stream(&[21])).unwrap_err();
    assert!(error.to_string().contains("its block size is 21, but STREAMINFO tells 20"), "{error}");
}

#[test]
fn totals_that_streaminfo_tells_must_come() {
    let mut stream = [head(20, 20, 1, 8), constant(false, 0, 20), constant(false, 1, 20)].concat();
    stream[25] = 40;
    assert_eq!(decoded(&stream).unwrap().1.len(), 40);
    stream[25] = 41;
    assert!(matches!(decoded(&stream), Err(DecodeError::TooFew { told: 41, found: 40 })));
    stream[25] = 39;
    assert!(matches!(decoded(&stream), Err(DecodeError::TooMany { told: 39, found: 40 })));
}

#[test]
fn tags_of_other_formats_around_the_stream_are_passed_over() {
    let plain = [head(20, 20, 1, 8), constant(false, 0, 20)].concat();
    let mut before = b"ID3\x04\0\0\0\0\x02\x03".to_vec();
    before.resize(10 + 0x103, 7);
    assert_eq!(decoded(&[before.clone(), plain.clone()].concat()).unwrap().1.len(), 20);
    // With a footer.
    before[5] = 0x10;
    before.extend([b'3'; 10]);
    assert_eq!(decoded(&[before.clone(), plain.clone()].concat()).unwrap().1.len(), 20);
    assert!(matches!(decoded(&before[..100]), Err(DecodeError::NotFlac)));
    let mut after = [plain.clone(), b"TAG".to_vec()].concat();
    after.resize(plain.len() + 128, b' ');
    assert_eq!(decoded(&after).unwrap().1.len(), 20);
    after.push(0);
    assert!(matches!(decoded(&after), Err(DecodeError::Frame { frame: 1, error: FrameError::NoSync })));
    assert!(matches!(decoded(b"OggS\0\0"), Err(DecodeError::Ogg)));
    assert!(matches!(decoded(b"RIFF\0\0"), Err(DecodeError::NotFlac)));
    assert!(matches!(decoded(b"fLa"), Err(DecodeError::NotFlac)));
}

#[test]
fn metadata_blocks_come_in_order_up_to_a_size() {
    let mut stream = head(20, 20, 1, 8);
    stream[4] = 0;
    stream.extend(*b"\x02\0\0\x06testab");
    stream.extend(*b"\x01\0\x01\0");
    stream.extend([0; 256]);
    stream.extend(*b"\x84\0\0\0");
    let metadata = stream.clone();
    stream.extend(constant(false, 0, 20));
    let mut decoder = Decoder::new(stream.as_slice(), 255).unwrap();
    let mut kinds = Vec::new();
    while let Some(block) = decoder.next_metadata().unwrap() {
        kinds.push((block.kind, block.length, block.body.map(<[u8]>::to_vec)));
    }
    assert_eq!(kinds, [(2, 6, Some(b"testab".to_vec())), (1, 256, None), (4, 0, Some(vec![]))]);
    assert_eq!(decoder.next_block().unwrap().unwrap().channel(0), [0; 20]);
    assert!(decoder.next_block().unwrap().is_none());
    // Whoever does not ask gets the samples all the same.
    assert_eq!(decoded(&stream).unwrap().1, [0; 20]);
    for end in 4..metadata.len() {
        assert!(matches!(decoded(&metadata[..end]), Err(DecodeError::MetadataCut)), "{end}");
    }
    assert!(decoded(&metadata).unwrap().1.is_empty());
    for (at, byte) in [(4, 1), (7, 35), (8, 0xFF), (9, 15), (42, 0), (42, 127)] {
        let mut wrong = stream.clone();
        if at == 9 {
            wrong[8] = 0;
        }
        wrong[at] = byte;
        assert!(matches!(decoded(&wrong), Err(DecodeError::Metadata(_))), "byte {at}");
    }
}

#[test]
fn a_frame_alone_is_decoded_from_a_slice() {
    let shape = Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 8, block_size: 20 };
    let mut decoder = FrameDecoder::new(shape);
    let mut bytes = constant(false, 3, 20);
    let length = bytes.len();
    bytes.extend([0xFF; 30]);
    let facts = decoder.decode(&bytes).unwrap();
    assert_eq!((facts.header.place, facts.header.block_size, facts.bytes), (Place::Frame(3), 20, length));
    assert_eq!(decoder.channel(0), [3; 20]);
    assert!(decoder.channel(1).is_empty());
    for end in 0..length {
        assert_eq!(decoder.decode(&bytes[..end]), Err(FrameError::Incomplete));
        assert!(decoder.channel(0).is_empty());
    }
}
