//! Several files at the same time, several workers at the same time, and what a worker tells meanwhile.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::tree::{Run, Tree, assert_decodes, counts, files, last_line};

/// Short files in a few folders, and two that are worth several threads.
fn mixed(tree: &Tree) -> usize {
    for number in 0..40 {
        tree.wav(format!("{}/{number}.wav", number % 4), number, 700 * number + 1);
    }
    tree.silence("long.wav", 120);
    tree.wav("long noise.wav", 1, 1_200_000);
    42
}

/// Names and bytes of all FLACs.
fn made(run: &Run) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files(&run.destination)
        .into_iter()
        .map(|name| (name.clone(), fs::read(run.destination.join(name)).unwrap()))
        .collect()
}

#[test]
fn the_bytes_are_the_same_at_any_setting() {
    let tree = Tree::new();
    let count = mixed(&tree);
    let mut first = None;
    for (number, choices) in [
        &["--files-at-once", "1", "--threads", "1"][..],
        &["--files-at-once", "1", "--threads", "4"],
        &["--files-at-once", "7", "--threads", "2"],
        &["--files-at-once", "64"],
        &["--threads", "3"],
    ]
    .into_iter()
    .enumerate()
    {
        let run = tree.run(&format!("destination {number}"), &format!("records {number}"));
        let report = run.whole(1, choices);
        assert_eq!(report["files"]["converted"], count, "{choices:?}: {report}");
        let made = made(&run);
        assert!(*first.get_or_insert_with(|| made.clone()) == made, "{choices:?}");
    }
}

/// A generator whose numbers depend on nothing but the seed.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Kills the worker of a run over 400 files a dozen times at any moment, and lets another one end the run.
fn killed_again_and_again(tree: &Tree, run: &Run, more: &[&str]) {
    for number in 0..400 {
        tree.wav(format!("{}/{number}.wav", number % 20), number, 3000);
    }
    run.stage("plan", &[]);
    let mut seed = 0x00C0_FFEE;
    let words = [&["--shard", "0"], more].concat();
    // However fast the machine is: what is right does not depend on when the worker dies.
    for _ in 0..12 {
        let mut worker = run.spawn(&words);
        thread::sleep(Duration::from_millis(random(&mut seed) % 250));
        worker.kill().unwrap();
        worker.wait().unwrap();
        for name in files(&run.destination) {
            let whole = name.extension().is_some_and(|ending| ending == "flac");
            assert!(whole || name.to_str().unwrap().ends_with(".flac.part"), "{}", name.display());
        }
    }
    let work = run.stage("work", &words);
    assert_eq!(counts(&work), [400, 0, 0], "what was named but not recorded is known again");
    // A second line of a file only says what became of its source.
    let records = run.records(0);
    let converted = records.iter().filter(|record| record["source"].is_null());
    let mut converted: Vec<u64> = converted.map(|record| record["n"].as_u64().unwrap()).collect();
    converted.sort_unstable();
    assert_eq!(converted, (0..400).collect::<Vec<_>>(), "each file once");
    assert_eq!(files(&run.destination).len(), 400, "and no partial file");
}

#[test]
fn killed_again_and_again_at_any_moment_every_file_is_converted_once() {
    let tree = Tree::new();
    let run = tree.run("destination", "destination/.flacship/u");
    killed_again_and_again(&tree, &run, &[]);
    for name in files(&run.destination).iter().step_by(37) {
        assert_decodes(&run.destination.join(name), &run.source.join(name).with_extension("wav"));
    }
}

#[test]
fn killed_again_and_again_every_source_goes_and_none_before_its_flac_is_safe() {
    let moved = ["--source-policy", "MoveTo", "--move-to"];
    for policy in [&["--metadata", "foreign", "--source-policy", "DeleteAfterVerify"][..], &moved] {
        let tree = Tree::new();
        let run = tree.run("destination", "destination/.flacship/u");
        let done = tree.path("done");
        let mut words = policy.to_vec();
        if policy == moved {
            words.push(done.to_str().unwrap());
        }
        killed_again_and_again(&tree, &run, &words);
        assert_eq!(files(&run.source).len(), 0, "none stays for ever");
        for name in files(&run.destination).iter().step_by(37) {
            let (flac, wav) = (run.destination.join(name), name.with_extension("wav"));
            if policy == moved {
                assert_decodes(&flac, &done.join(wav));
            } else {
                let number = name.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                let mut restored = Vec::new();
                converter::restore::restore(fs::File::open(&flac).unwrap(), &mut restored).unwrap();
                assert!(restored == fs::read(tree.wav("again.wav", number, 3000)).unwrap(), "{}", name.display());
            }
        }
    }
}

#[test]
fn two_jobs_on_one_destination_convert_each_file_once() {
    let tree = Tree::new();
    let count = 300;
    for number in 0..count {
        tree.wav(format!("{}/{number}.wav", number % 5), number, 4000);
    }
    let runs = ["one", "two"].map(|name| tree.run("destination", name));
    for run in &runs {
        run.stage("plan", &[]);
    }
    let workers = runs.each_ref().map(|run| run.spawn(&["--shard", "0"]));
    let summaries = workers.map(|worker| {
        let output = worker.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        counts(&last_line(&output))
    });
    let [one, two] = summaries;
    assert_eq!(one[0] + two[0], u64::from(count), "each file is converted by one of them: {summaries:?}");
    assert_eq!((one[1] + two[1], one[2] + two[2]), (u64::from(count), 0), "and skipped by the other");
    let made = files(&tree.path("destination"));
    assert_eq!(made.len(), count as usize);
    for name in made.iter().step_by(29) {
        assert_decodes(&tree.path("destination").join(name), &tree.source(name.with_extension("wav")));
    }
}

#[test]
fn two_jobs_that_let_sources_go_do_no_harm() {
    let tree = Tree::new();
    let count = 300;
    for number in 0..count {
        tree.wav(format!("{}/{number}.wav", number % 5), number, 4000);
    }
    let runs = ["one", "two", "late"].map(|name| tree.run("destination", name));
    for run in &runs {
        run.stage("plan", &[]);
    }
    let words = ["--shard", "0", "--metadata", "foreign", "--source-policy", "DeleteAfterVerify"];
    let [first, second, late] = &runs;
    let workers = [first, second].map(|run| run.spawn(&words));
    let [one, two] = workers.map(|worker| {
        let output = worker.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        counts(&last_line(&output))
    });
    assert_eq!((one[0] + two[0], one[1] + two[1]), (u64::from(count), u64::from(count)), "{one:?} {two:?}");
    assert_eq!(counts(&late.stage("work", &words)), [0, u64::from(count), 0], "gone, but for a reason");
    assert!(late.records(0).iter().all(|record| record["source"] == "deleted"));
    for run in [first, second] {
        run.stage("report", &[]);
        let report = run.report();
        assert_eq!(report["sources"]["deleted"], count, "{report}");
        assert_eq!(report["warnings"]["source_kept"], Value::Null, "{report}");
    }
    assert_eq!((files(&tree.path("source")).len(), files(&tree.path("destination")).len()), (0, count as usize));
}

#[test]
fn a_file_that_another_job_has_is_waited_for() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 2000);
    tree.wav("b.wav", 2, 2000);
    let run = tree.run("destination", "records");
    run.stage("plan", &[]);
    fs::create_dir(&run.destination).ok();
    let partial = run.destination.join("a.flac.part");
    let other = fs::File::create(&partial).unwrap();
    other.lock().unwrap();
    let worker = run.spawn(&["--shard", "0"]);
    crate::resume::wait_for("the other file", || run.destination.join("b.flac").exists());
    assert!(!run.destination.join("a.flac").exists());
    // The other job gives its FLAC its name.
    fs::copy(run.destination.join("b.flac"), &partial).unwrap();
    crate::tree::set_mtime(&partial, crate::tree::MTIME);
    fs::rename(&partial, run.destination.join("a.flac")).unwrap();
    drop(other);
    let output = worker.wait_with_output().unwrap();
    assert_eq!(counts(&last_line(&output)), [1, 1, 0]);
}

#[test]
fn a_partial_file_that_is_no_file_is_not_waited_for() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 2000);
    let run = tree.run("destination", "records");
    run.stage("plan", &[]);
    fs::create_dir_all(run.destination.join("a.flac.part")).unwrap();
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [0, 0, 1]);
    let reason = run.records(0)[0]["reason"].clone();
    assert!(reason == "target_busy" || reason == "io", "{reason}");
}

fn ask(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.rsplit("\r\n").next().unwrap()).unwrap()
}

#[test]
fn a_worker_tells_how_far_it_is() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 2000);
    tree.silence("b.wav", 12_000);
    let run = tree.run("destination", "records");
    let plan = run.stage("plan", &[]);
    let log = tree.path("termination");
    let mut worker = run
        .command("work", &["--shard", "0", "--admin-listen", "127.0.0.1:0", "--grace-seconds", "0"])
        .arg("--termination-log")
        .arg(&log)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(worker.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("/progress")).unwrap();
    let address = line.split_whitespace().find_map(|word| word.strip_prefix("address=")).unwrap().to_owned();
    let reader = thread::spawn(move || lines.for_each(drop));
    let mut last = 0;
    let converted = || ask(&address, "/progress")["files"]["converted"].clone();
    crate::resume::wait_for("the first record", || converted() == 1);
    crate::resume::wait_for("the second file", || {
        let progress = ask(&address, "/progress");
        let done = progress["bytes"]["done"].as_u64().unwrap();
        assert!(done >= last, "it never goes back");
        last = done;
        done > fs::metadata(tree.source("a.wav")).unwrap().len()
    });
    let progress = ask(&address, "/progress");
    let a = fs::metadata(tree.source("a.wav")).unwrap().len();
    assert_eq!(progress["files"], json!({"total": 2, "converted": 1, "skipped": 0, "failed": 0}));
    assert_eq!((&progress["stage"], &progress["shard"]), (&json!("work"), &json!(0)));
    assert_eq!((&progress["bytes"]["total"], &progress["bytes"]["input"]), (&plan["bytes"], &json!(a)));
    let status = std::process::Command::new("kill").arg("-TERM").arg(worker.id().to_string()).status().unwrap();
    assert!(status.success());
    let status = worker.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    reader.join().unwrap();
    assert!(!log.exists(), "a worker that was stopped has no last line");
    assert!(!Path::new(&run.destination).join("b.flac").exists());
}

#[test]
fn the_last_line_is_kubernetes_termination_message_too() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 2000);
    let run = tree.run("destination", "records");
    let log = tree.path("termination");
    let work = |shard: &str| {
        let output = run.command("work", &["--shard", shard]).arg("--termination-log").arg(&log).output().unwrap();
        (output.status.code(), last_line(&output), serde_json::from_slice::<Value>(&fs::read(&log).unwrap()).unwrap())
    };
    run.stage("plan", &[]);
    let (code, line, logged) = work("0");
    assert_eq!((code, &line), (Some(0), &logged));
    let (code, line, logged) = work("9");
    assert_eq!((code, &line), (Some(42), &logged));
    assert_eq!(line["error"]["reason"], "PlanNotFound");
}
