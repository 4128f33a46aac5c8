//! What may be asked of a worker beside a level, and audio that only a look at every sample refuses.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use converter::restore::restore;
use serde_json::Value;

use crate::support::{Place, Wav, extensible_body, fmt_body, music, pack, spoiled_padding, wav_pcm};
use crate::tree::{Run, Tree, assert_decodes, counts, files};

/// The one record of a file.
fn record(run: &Run, path: &str) -> Value {
    let records = run.records(0);
    let mut found = records.into_iter().filter(|record| record["path"] == path);
    let record = found.next().unwrap();
    assert_eq!(found.next(), None);
    record
}

#[test]
fn a_padding_bit_in_the_middle_fails_one_file_and_leaves_nothing_of_it() {
    let tree = Tree::new();
    tree.put("deep/bad.wav", &spoiled_padding().0);
    tree.wav("good.wav", 1, 3000);
    let run = tree.run("destination", "records");
    run.stage("plan", &["--shards", "1"]);
    let work = run.stage("work", &["--shard", "0", "--threads", "2"]);
    assert_eq!(counts(&work), [1, 0, 1]);
    let bad = record(&run, "deep/bad.wav");
    assert_eq!((&bad["outcome"], &bad["reason"]), (&"failed".into(), &"padding_not_zero".into()), "{bad}");
    assert!(bad["message"].as_str().unwrap().contains("--valid-bits"), "{bad}");
    assert_eq!(bad["output_bytes"], 0);
    assert_eq!(files(&run.destination), [Path::new("good.flac")], "no .part either");
    let report = run.stage("report", &[]);
    assert_eq!(report["failures"][0]["reason"], "padding_not_zero");
}

/// Files that need more than their samples to be the same again, by name.
fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let pcm = wav_pcm(&music(20_000, 2, 16, 3), 16);
    let plain = || Wav::new().fmt(2, 44_100, 16);
    let bext = [b"Birds at dawn".as_slice(), &[0; 589]].concat();
    let wide = extensible_body(2, 48_000, 32, 24, 3, 1);
    vec![
        ("plain.wav", plain().chunk(b"data", &pcm).build()),
        ("chunks.wav", plain().chunk(b"bext", &bext).chunk(b"data", &pcm).chunk(b"mine", b"odd").build()),
        ("no length.wav", plain().head(b"data", u32::MAX).raw(&pcm).build()),
        ("junk tail.wav", plain().chunk(b"data", &pcm).raw(&[0; 5]).build()),
        ("24 in 32.wav", {
            let pcm = pack(&music(20_000, 2, 24, 3), 24, 4, Place::High);
            Wav::new().chunk(b"fmt ", &wide).chunk(b"data", &pcm).build()
        }),
        (
            "rf64.wav",
            Wav::rf64(b"RF64", pcm.len() as u64, &[]).fmt(2, 44_100, 16).head(b"data", u32::MAX).raw(&pcm).build(),
        ),
    ]
}

/// STREAMINFO's smallest and largest block.
fn block_sizes(flac: &Path) -> [u16; 2] {
    let head = fs::read(flac).unwrap();
    [8, 10].map(|at| u16::from_be_bytes([head[at], head[at + 1]]))
}

#[test]
fn with_foreign_metadata_every_source_can_be_restored() {
    let tree = Tree::new();
    for (name, bytes) in sources() {
        tree.put(name, &bytes);
    }
    let run = tree.run("destination", "records");
    let choices = ["--metadata", "foreign", "--float", "24", "--block-size", "1152", "--engine", "portable"];
    let report = run.whole(1, &choices);
    assert_eq!(report["files"]["converted"], sources().len(), "{report}");
    for (name, bytes) in sources() {
        let flac = run.destination.join(name).with_extension("flac");
        let mut restored = Vec::new();
        restore(File::open(&flac).unwrap(), &mut restored).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(restored == bytes, "{name}: another file");
        assert_eq!(block_sizes(&flac), [1152; 2], "{name}");
        // The command gives the file back too, with the source's time.
        let again = flac.with_extension("wav");
        let status = Command::new(env!("CARGO_BIN_EXE_converter")).args(["restore"]).arg(&flac).output().unwrap();
        assert!(status.status.success(), "{name}: {}", String::from_utf8_lossy(&status.stderr));
        assert!(fs::read(&again).unwrap() == bytes, "{name}: another file");
        assert_eq!(
            fs::metadata(&again).unwrap().modified().unwrap(),
            fs::metadata(tree.source(name)).unwrap().modified().unwrap()
        );
    }
    assert_decodes(&run.destination.join("chunks.flac"), &tree.source("chunks.wav"));
}

/// Floating point: a few samples in range, two beyond it.
fn float() -> Vec<u8> {
    let values = [0.0_f32, 0.5, -0.5, 1.5, -1.0, -7.0];
    let pcm: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Wav::new().chunk(b"fmt ", &fmt_body(3, 1, 44_100, 32)).chunk(b"data", &pcm).build()
}

#[test]
fn floating_point_is_quantised_where_it_is_asked_for_and_cannot_be_kept_whole() {
    let tree = Tree::new();
    tree.put("float.wav", &float());
    for (number, (choices, outcome, words)) in [
        (&[][..], "failed", "unsupported_encoding"),
        (&["--float", "24"], "converted", "clipped_samples quantised"),
        (&["--float", "24", "--metadata", "foreign"], "failed", "foreign_float"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = tree.run(&format!("destination {number}"), &format!("records {number}"));
        run.whole(1, choices);
        let record = record(&run, "float.wav");
        assert_eq!(record["outcome"], outcome, "{record}");
        let told = if outcome == "failed" {
            record["reason"].as_str().unwrap().to_owned()
        } else {
            let warnings = record["warnings"].as_array().unwrap();
            warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told, words, "{record}");
        assert_eq!(files(&run.destination).len(), usize::from(outcome == "converted"));
    }
}
