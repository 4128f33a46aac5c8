//! The page: what is shown, and that nothing of a name gets out of its place.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::super::path::RecordPath;
use super::super::super::records::{Counts, Failure};
use super::super::super::summary::{ByteTotals, FileTotals};
use super::super::document::Times;
use super::super::tally::{Folders, Saving, Slow, Sources};
use super::*;

fn report(counts: Counts) -> Report {
    let at = |text: &str| text.parse().unwrap();
    Report {
        title: None,
        ended: None,
        expires_at: None,
        source: "/source".into(),
        destination: "/destination".into(),
        records: "/destination/.flacship/u".into(),
        files: FileTotals::of(counts),
        bytes: ByteTotals { input: 4 << 20, output: 1 << 20 },
        ratio: Some(0.25),
        sources: Sources::default(),
        times: Times {
            planned_at: "2026-11-30T21:00:00.5Z".into(),
            worked_until: Some(at("2026-11-30T21:01:00Z")),
            reported_at: at("2026-11-30T21:02:00Z"),
            seconds: 90.0,
            elapsed_seconds: Some(59.5),
            bytes_per_second: Some(70_493.6),
        },
        reasons: BTreeMap::new(),
        skipped: BTreeMap::new(),
        warnings: BTreeMap::new(),
        slowest: Vec::new(),
        folders: Folders::default(),
    }
}

fn failed(name: &str, message: &str) -> Failed {
    let path = RecordPath::new(Path::new(name)).unwrap();
    Failed { path, shard: 0, failure: Failure::new("not_wav", message) }
}

fn page(report: &Report, first: &[Failed]) -> String {
    let mut page = Vec::new();
    write(&mut page, report, first).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn names_stay_in_their_place() {
    let evil = "<script>alert(1)</script>&\"'\u{1b}[31m\n\u{202e}.wav";
    let mut report = report(Counts { converted: 1, skipped: 0, failed: 1 });
    report.title = Some(evil.into());
    report.ended = Some(evil.into());
    report.source = evil.into();
    report.reasons.insert(evil.into(), 1);
    report.warnings.insert(evil.into(), 1);
    let path = RecordPath::new(Path::new("<b>")).unwrap();
    report.slowest.push(Slow { path, seconds: 1.0, input: 1, output: 1 });
    report.folders =
        Folders { total: 1, most_saved: vec![Saving { folder: evil.into(), files: 1, input: 2, output: 1 }] };
    let page = page(&report, &[failed("<img src=x onerror=alert(1)>", evil)]);
    for raw in ["<script", "<img", "<b>", "\u{1b}", "&\"'"] {
        assert!(!page.contains(raw), "{raw:?} is in the page");
    }
    let escaped = r"&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;\u{1b}[31m\u{a}";
    assert_eq!(page.matches(escaped).count(), 8, "title twice, ended, reason, message, warning, folder, source");
    assert!(page.contains("<bdi>&lt;img src=x onerror=alert(1)&gt;</bdi>"));
}

#[test]
fn nothing_comes_from_elsewhere() {
    let page = page(&report(Counts::default()), &[]);
    assert!(page.contains("default-src 'none'"));
    for word in ["http:", "https:", "url(", "@import", "src="] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count(), "links stay on the page");
}

#[test]
fn the_lead_says_how_it_went() {
    for (total, failed, wanted) in [
        (0, 0, "There were no files to convert."),
        (1, 0, "The file has its FLAC."),
        (2000, 0, "All 2,000 files have their FLAC."),
        (2000, 1, "1 of 2,000 files has no FLAC."),
        (2000, 1500, "1,500 of 2,000 files have no FLAC."),
        (2000, 2000, "None of 2,000 files has its FLAC."),
        (1, 1, "None of 1 file has its FLAC."),
    ] {
        assert_eq!(lead(total, failed), wanted);
    }
}

#[test]
fn sections_are_there_for_what_there_is() {
    let mut report = report(Counts { converted: 3, skipped: 0, failed: 100_000 });
    report.reasons.insert("not_wav".into(), 100_000);
    let first: Vec<_> = (0..500).map(|number| failed(&format!("{number}.wav"), "no RIFF")).collect();
    let whole = page(&report, &first);
    assert!(whole.contains("The first 500 of 100,000, by name. All are in <code>report.json</code>"));
    assert!(whole.contains("3.00 MiB") && whole.contains("75 % less"), "saved");
    assert!(whole.contains("59.5 s"), "took");
    assert!(whole.contains("2026-11-30 21:00:00 UTC"), "planned");
    for absent in ["Slowest", "Savings", "skipped</h2>", "warning</h2>", "did not end well", "Records may go"] {
        assert!(!whole.contains(absent), "{absent}");
    }
    assert!(whole.contains("href=\"#failed\"") && whole.contains("<h2 id=\"failed\">Failed files</h2>"));
    assert!(!page(&report, &first[..0]).contains("Failed files"));
}
