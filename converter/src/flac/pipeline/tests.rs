//! The pipeline under encoders that are slow, fail or panic, with few threads and many.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::flac::kernels::Kernels;
use crate::flac::{Engine, Level, Shape, StreamEncoder, StreamError, StreamOptions, Verify};
use crate::support::{music, noise, signed_pcm};

const THREADS: [usize; 5] = [1, 2, 3, 8, 64];

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn md5() -> Md5 {
    Md5::new(&Kernels::best())
}

/// An encoder whose frames are the block's number and length, and that does what `act` says before.
struct Acting<F>(Arc<F>);

impl<F: Fn(u64) -> Result<(), EncodeError> + Send + Sync> FrameEncoder for Acting<F> {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        // Later blocks of each four are done earlier, if there are threads enough.
        for _ in 0..(3 - block.number % 4) * 50 {
            std::thread::yield_now();
        }
        (self.0)(block.number)?;
        frame.extend(block.number.to_le_bytes());
        frame.extend(block.pcm);
        Ok(())
    }
}

fn making<F: Fn(u64) -> Result<(), EncodeError> + Send + Sync + 'static>(act: F) -> (MakeEncoder, Arc<F>) {
    let act = Arc::new(act);
    let kept = Arc::clone(&act);
    (Box::new(move || Ok(Box::new(Acting(Arc::clone(&act))))), kept)
}

/// Sends blocks through; returns the numbers of the frames that came out, and the error that ended it.
fn run(pipeline: &mut Pipeline, blocks: u64) -> (Vec<u64>, Option<EncodeError>) {
    let mut numbers = Vec::new();
    let mut take = |slot: &Slot| {
        let (number, pcm) = slot.frame.split_first_chunk().unwrap();
        numbers.push(u64::from_le_bytes(*number));
        assert_eq!(pcm, slot.pcm, "the block comes back with its frame");
    };
    let mut ended = || {
        for number in 0..blocks {
            let mut slot = loop {
                if let Some(slot) = pipeline.slot() {
                    break slot;
                }
                let slot = pipeline.take()?.unwrap();
                take(&slot);
                pipeline.recycle(slot);
            };
            assert!(slot.pcm.is_empty() && slot.frame.is_empty());
            slot.pcm.extend([number.to_le_bytes()[0]; 9]);
            pipeline.put(slot)?;
            while let Some(slot) = pipeline.take_made()? {
                take(&slot);
                pipeline.recycle(slot);
            }
        }
        while let Some(slot) = pipeline.take()? {
            take(&slot);
            pipeline.recycle(slot);
        }
        Ok(())
    };
    let error = ended().err();
    (numbers, error)
}

#[test]
fn frames_come_out_in_order_and_once_each() {
    for count in THREADS {
        let (make, _) = making(|_| Ok(()));
        let mut pipeline = Pipeline::new(make, md5(), threads(count), 9).unwrap();
        let (numbers, error) = run(&mut pipeline, 500);
        assert!(error.is_none() && numbers.into_iter().eq(0..500), "{count} threads");
        assert!(pipeline.workers.len() < count);
    }
}

#[test]
fn the_earliest_error_ends_it_after_all_frames_before() {
    let failing = |number| match number {
        100 => Err(EncodeError::Refused("on purpose".to_owned())),
        101.. => Err(EncodeError::Refused("too late".to_owned())),
        _ => Ok(()),
    };
    let panicking = |number| match number {
        100 => panic!("on purpose"),
        102.. => Err(EncodeError::Refused("too late".to_owned())),
        _ => Ok(()),
    };
    for count in THREADS {
        let mut pipeline = Pipeline::new(making(failing).0, md5(), threads(count), 9).unwrap();
        let (numbers, error) = run(&mut pipeline, 500);
        assert!(numbers.into_iter().eq(0..100), "{count} threads");
        assert_eq!(error, Some(EncodeError::Refused("on purpose".to_owned())));
        let mut pipeline = Pipeline::new(making(panicking).0, md5(), threads(count), 9).unwrap();
        let (numbers, error) = run(&mut pipeline, 500);
        assert!(numbers.into_iter().eq(0..100), "{count} threads");
        assert_eq!(error, Some(EncodeError::Panicked("on purpose".to_owned())));
    }
}

#[test]
fn no_thread_outlives_the_pipeline() {
    for blocks in [0, 1, 2, 30, 200] {
        let (make, act) = making(|number| if number == 20 { panic!("on purpose") } else { Ok(()) });
        let mut pipeline = Pipeline::new(make, md5(), threads(4), 9).unwrap();
        for _ in 0..blocks {
            let Some(slot) = pipeline.slot() else { break };
            pipeline.put(slot).unwrap();
        }
        run(&mut pipeline, blocks);
        drop(pipeline);
        assert_eq!(Arc::strong_count(&act), 1, "every encoder is gone, and each belonged to a thread");
    }
}

#[test]
fn short_streams_start_no_thread() {
    for (blocks, workers) in [(0, 0), (1, 0), (2, 1)] {
        let mut pipeline = Pipeline::new(making(|_| Ok(())).0, md5(), threads(8), 9).unwrap();
        run(&mut pipeline, blocks);
        assert_eq!(pipeline.workers.len(), workers, "{blocks} blocks");
    }
    let mut pipeline = Pipeline::new(making(|_| Ok(())).0, md5(), threads(1), 9).unwrap();
    run(&mut pipeline, 100);
    assert!(pipeline.workers.is_empty());
}

#[test]
fn more_threads_work_at_the_same_time() {
    // Every block waits until three are being encoded: with fewer threads this would never end.
    let begun = AtomicUsize::new(0);
    let (make, _) = making(move |_| {
        begun.fetch_add(1, Ordering::SeqCst);
        while begun.load(Ordering::SeqCst) < 3 {
            std::thread::yield_now();
        }
        Ok(())
    });
    let (numbers, error) = run(&mut Pipeline::new(make, md5(), threads(3), 9).unwrap(), 20);
    assert_eq!((numbers.len(), error), (20, None));
}

#[test]
fn what_is_under_way_is_bounded_in_blocks_and_in_bytes() {
    const MIB: usize = 1 << 20;
    for (count, block_bytes, slots) in
        [(1, 100, 1), (2, 100, 12), (64, 128 << 10, 136), (2, 2 * MIB, 2), (64, 2 * MIB, 17), (2, usize::MAX, 2)]
    {
        let mut pipeline = Pipeline::new(making(|_| Ok(())).0, md5(), threads(count), block_bytes).unwrap();
        let mut taken = Vec::new();
        while let Some(slot) = pipeline.slot() {
            taken.push(slot);
        }
        assert_eq!(taken.len(), slots, "{count} threads, {block_bytes} bytes");
        assert!(pipeline.max_workers < slots);
    }
}

/// An encoder that writes down where its buffers lie.
struct Watching(Arc<Mutex<BTreeSet<usize>>>);
impl FrameEncoder for Watching {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        frame.extend(block.number.to_le_bytes());
        frame.extend(block.pcm);
        self.0.lock().unwrap().extend([block.pcm.as_ptr().addr(), frame.as_ptr().addr()]);
        Ok(())
    }
}

#[test]
fn buffers_go_round() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let kept = Arc::clone(&seen);
    let make: MakeEncoder = Box::new(move || Ok(Box::new(Watching(Arc::clone(&kept)))));
    run(&mut Pipeline::new(make, md5(), threads(3), 9).unwrap(), 1000);
    assert!(seen.lock().unwrap().len() <= 2 * 14, "two buffers a slot");
}

/// Encodes in pieces; returns the frames, or the error.
fn encode(shape: Shape, count: usize, pcm: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, StreamError> {
    let options = StreamOptions {
        level: Level::FASTEST,
        engine: Engine::default(),
        threads: threads(count),
        spare: None,
        verify: Verify::Yes,
    };
    let mut stream = StreamEncoder::new(shape, &options)?;
    let mut frames = Vec::new();
    let mut take = |frame: &[u8]| {
        frames.push(frame.to_vec());
        Ok(())
    };
    for piece in pcm.chunks(piece) {
        stream.push(piece, &mut take)?;
    }
    let figures = stream.finish(&mut take)?;
    frames.push(figures.info.to_bytes().to_vec());
    Ok(frames)
}

#[test]
fn the_bytes_are_the_same_with_any_number_of_threads() {
    let shape = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 1024 };
    let samples = [music(40_000, 2, 16, 1), noise(5_000, 2, 16, 2), vec![0; 30_000], music(11, 2, 16, 3)].concat();
    let pcm = signed_pcm(&samples, 16);
    let expected = encode(shape, 1, &pcm, pcm.len()).unwrap();
    for count in THREADS {
        for piece in [1000, 100_000, pcm.len()] {
            assert!(encode(shape, count, &pcm, piece).unwrap() == expected, "{count} threads, pieces of {piece}");
        }
    }
}

#[test]
fn a_stream_can_be_dropped_or_fail_anywhere() {
    let shape = Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 16, block_size: 32 };
    let pcm = signed_pcm(&music(3_000, 1, 16, 4), 16);
    for count in THREADS {
        for end in (0..pcm.len()).step_by(173) {
            let options = StreamOptions {
                level: Level::FASTEST,
                engine: Engine::default(),
                threads: threads(count),
                spare: None,
                verify: Verify::No,
            };
            let mut stream = StreamEncoder::new(shape, &options).unwrap();
            stream.push(&pcm[..end], &mut |_| Ok(())).unwrap();
            // The output fails at the frame that comes next, now or at the end.
            let full = &mut |_: &[u8]| Err(io::ErrorKind::StorageFull.into());
            if end % 2 == 0 {
                let result = stream.push(&pcm, full);
                assert!(matches!(result, Err(StreamError::Output(_))) || count > 1);
            } else {
                assert!(matches!(stream.finish(full), Err(StreamError::Output(_))) || end < 2 || count == 1);
            }
        }
    }
}

#[test]
fn a_stream_can_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<StreamEncoder>();
}
