//! File to file: whole or not at all, whatever was there before.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use converter::convert::{Options, Summary};
use converter::file::{Existing, FileError, FileOptions, Times, Verify, convert_file, convert_to_file};
use tempfile::TempDir;

use crate::support::{Wav, music, signed_pcm, wav_pcm};
use crate::tools::reference_decode;

fn safe() -> FileOptions {
    let convert = Options { level: converter::convert::Level::FASTEST, ..Options::default() };
    FileOptions { convert, verify: Verify::Yes, existing: Existing::Refuse, times: Times::Source }
}

fn replace() -> FileOptions {
    FileOptions { existing: Existing::Replace, ..safe() }
}

struct Place {
    folder: TempDir,
    samples: Vec<i32>,
}

impl Place {
    /// A folder with a WAV file in it.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let samples = music(10_000, 2, 16, 1);
        fs::write(folder.path().join("in.wav"), Wav::pcm(2, 44_100, 16, &wav_pcm(&samples, 16))).unwrap();
        Self { folder, samples }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn convert(&self, options: &FileOptions) -> Result<Summary, FileError> {
        convert_file(&self.path("in.wav"), &self.path("out.flac"), options, &mut |_| {})
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn code(result: Result<Summary, FileError>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn a_file_is_whole_and_keeps_its_time() {
    let place = Place::new();
    let recorded = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(place.path("in.wav")).unwrap().set_modified(recorded).unwrap();
    let mut last = 0;
    let summary =
        convert_file(&place.path("in.wav"), &place.path("out.flac"), &safe(), &mut |progress| last = progress.bytes_in)
            .unwrap();
    assert_eq!(place.names(), ["in.wav", "out.flac"]);
    assert_eq!(last, summary.bytes_in);
    assert_eq!(reference_decode(&place.path("out.flac")), signed_pcm(&place.samples, 16));
    let meta = fs::metadata(place.path("out.flac")).unwrap();
    assert_eq!(meta.modified().unwrap(), recorded);
    assert_eq!(meta.len(), summary.bytes_out);
    assert!(fs::read(place.path("out.flac")).unwrap().starts_with(&summary.head));
    assert_eq!(summary.head[8..42], summary.streaminfo);
}

#[test]
fn a_reader_can_become_a_file() {
    let place = Place::new();
    let wav = fs::read(place.path("in.wav")).unwrap();
    let target = place.path("out.flac");
    convert_to_file(wav.as_slice(), Path::new("standard input"), &target, &safe(), &mut |_| {}).unwrap();
    assert_eq!(reference_decode(&target), signed_pcm(&place.samples, 16));
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    let place = Place::new();
    fs::write(place.path("out.flac"), "precious").unwrap();
    let error = place.convert(&safe()).unwrap_err();
    assert_eq!(error.code(), "target_exists");
    assert!(error.to_string().contains("out.flac is already there: remove it"), "{error}");
    assert_eq!(fs::read(place.path("out.flac")).unwrap(), b"precious");
    place.convert(&replace()).unwrap();
    assert_eq!(reference_decode(&place.path("out.flac")), signed_pcm(&place.samples, 16));
    assert_eq!(place.names(), ["in.wav", "out.flac"]);
}

#[test]
fn a_failed_conversion_leaves_everything_as_it_was() {
    let place = Place::new();
    fs::write(place.path("out.flac"), "precious").unwrap();
    fs::write(place.path("in.wav"), Wav::new().fmt(2, 44_100, 16).head(b"data", 4).raw(&vec![1; 100_000]).build())
        .unwrap();
    assert_eq!(code(place.convert(&replace())), "contradicting_header");
    assert_eq!(fs::read(place.path("out.flac")).unwrap(), b"precious");
    assert_eq!(place.names(), ["in.wav", "out.flac"]);
}

#[test]
fn a_file_is_never_converted_onto_itself() {
    let place = Place::new();
    let source = place.path("in.wav");
    let before = fs::read(&source).unwrap();
    assert_eq!(code(convert_file(&source, &source, &replace(), &mut |_| {})), "same_file");
    std::os::unix::fs::symlink(&source, place.path("out.flac")).unwrap();
    assert_eq!(code(place.convert(&replace())), "same_file");
    assert_eq!(fs::read(&source).unwrap(), before);
}

#[test]
fn sources_that_cannot_be_read_are_named() {
    let place = Place::new();
    for name in ["missing.wav", "."] {
        let error = convert_file(&place.path(name), &place.path("out.flac"), &safe(), &mut |_| {}).unwrap_err();
        assert_eq!(error.code(), "source_unreadable");
        assert!(error.to_string().contains("could not be read"), "{error}");
    }
    let lost = place.path("no/such/folder/out.flac");
    assert_eq!(code(convert_file(&place.path("in.wav"), &lost, &safe(), &mut |_| {})), "io");
    fs::create_dir(place.path("out.flac")).unwrap();
    assert_eq!(code(place.convert(&replace())), "io");
}

#[test]
fn a_partial_file_of_a_crash_is_taken_over() {
    let place = Place::new();
    fs::write(place.path("out.flac.part"), vec![7; 1_000_000]).unwrap();
    place.convert(&safe()).unwrap();
    assert_eq!(place.names(), ["in.wav", "out.flac"]);
    assert_eq!(reference_decode(&place.path("out.flac")), signed_pcm(&place.samples, 16));
}

#[test]
fn a_partial_file_in_use_is_left_alone() {
    let place = Place::new();
    let mut other = File::create(place.path("out.flac.part")).unwrap();
    other.write_all(b"in the middle of it").unwrap();
    other.lock().unwrap();
    assert_eq!(code(place.convert(&replace())), "target_busy");
    assert_eq!(fs::read(place.path("out.flac.part")).unwrap(), b"in the middle of it");
    other.unlock().unwrap();
    place.convert(&safe()).unwrap();
}

#[test]
fn nothing_is_written_through_a_link_with_the_partial_files_name() {
    let place = Place::new();
    fs::write(place.path("victim"), "precious").unwrap();
    std::os::unix::fs::symlink(place.path("victim"), place.path("out.flac.part")).unwrap();
    assert_eq!(code(place.convert(&replace())), "target_busy");
    assert_eq!(fs::read(place.path("victim")).unwrap(), b"precious");
    fs::remove_file(place.path("out.flac.part")).unwrap();
    std::os::unix::fs::symlink(place.path("nowhere"), place.path("out.flac.part")).unwrap();
    assert_eq!(code(place.convert(&replace())), "target_busy");
    assert!(!place.path("nowhere").exists());
}

#[test]
fn two_writers_of_one_target_do_not_mix() {
    let place = Place::new();
    let results: Vec<Result<Summary, FileError>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(|| place.convert(&replace()))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert!(results.iter().any(Result::is_ok));
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.code(), "target_busy");
    }
    assert_eq!(reference_decode(&place.path("out.flac")), signed_pcm(&place.samples, 16));
    assert_eq!(place.names(), ["in.wav", "out.flac"]);
}
