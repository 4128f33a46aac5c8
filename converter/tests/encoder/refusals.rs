//! What FLAC does not have.

use converter::flac::{Block, Engine, Level, Shape, frame_encoder};

#[test]
fn what_flac_does_not_have_is_refused_with_the_limit() {
    let good = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 4096 };
    for engine in [Engine::Native, Engine::Portable, Engine::Flacenc] {
        let new = |shape| frame_encoder(shape, Level::default(), engine);
        for (shape, told) in [
            (Shape { channels: 0, ..good }, "8 channels"),
            (Shape { channels: 9, ..good }, "8 channels"),
            (Shape { bits_per_sample: 3, ..good }, "32 bits"),
            (Shape { bits_per_sample: 33, ..good }, "32 bits"),
            (Shape { block_size: 15, ..good }, "65535 samples"),
            (Shape { sample_rate: 0, ..good }, "1048575 Hz"),
            (Shape { sample_rate: 1 << 20, ..good }, "1048575 Hz"),
        ] {
            let error = new(shape).err().unwrap();
            assert!(error.to_string().contains(told), "{shape:?}: {error}");
        }
        let mut encoder = new(good).unwrap();
        for bytes in [0, 3, 4 * 4097] {
            let pcm = vec![0; bytes];
            assert!(encoder.encode(Block { number: 0, pcm: &pcm }, &mut Vec::new()).is_err(), "{bytes} bytes");
        }
        let many = Block { number: 1 << 31, pcm: &[0; 64] };
        assert!(encoder.encode(many, &mut Vec::new()).is_err(), "a frame's number has 31 bits");
        let mut odd = new(Shape { bits_per_sample: 12, ..good }).unwrap();
        let error = odd.encode(Block { number: 0, pcm: &[0, 0, 0, 8] }, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("12 bits"), "{error}");
        // After an error it goes on.
        let mut frame = Vec::new();
        odd.encode(Block { number: 0, pcm: &[0, 0, 0, 7] }, &mut frame).unwrap();
        assert!(!frame.is_empty());
    }
}
