//! `report.html`: the report for people. One file that needs no other, no script and no network; light or dark as its
//! reader likes. All that comes from file names or messages is escaped by [`Text`].

use std::fmt;
use std::io::{self, Write};

use indicatif::HumanCount;
use jiff::Timestamp;

use super::super::words;
use super::document::Report;
use super::tally::Failed;

const STYLE: &str = include_str!("page.css");
const MARK: &str = r#"<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M5 13v6M10.5 8.500v15M16 12v8M21.500 5.500v21M27 13v6"/></svg>"#;

/// Writes the page; `first` are the first failures.
pub fn write(out: &mut dyn Write, report: &Report, first: &[Failed]) -> io::Result<()> {
    head(out, report)?;
    totals(out, report)?;
    links(out, report, first)?;
    counted(out, "Why files failed", "Reason", "lost", &report.reasons)?;
    counted(out, "Why files were skipped", "Reason", "skipped", &report.skipped)?;
    counted(out, "Converted with a warning", "Warning", "converted", &report.warnings)?;
    folders(out, report)?;
    slowest(out, report)?;
    failures(out, report, first)?;
    about(out, report)?;
    writeln!(out, "</body>\n</html>")
}

/// Where the long parts begin.
fn links(out: &mut dyn Write, report: &Report, first: &[Failed]) -> io::Result<()> {
    let parts = [
        ("folders", "Savings by folder", !report.folders.most_saved.is_empty()),
        ("slowest", "Slowest files", !report.slowest.is_empty()),
        ("failed", "Failed files", !first.is_empty()),
        ("about", "About this run", true),
    ];
    write!(out, "<nav>")?;
    for (id, title, _) in parts.iter().filter(|(.., there)| *there) {
        write!(out, r##"<a href="#{id}">{title}</a>"##)?;
    }
    writeln!(out, "</nav>")
}

/// Text in HTML, also in a quoted attribute. Control characters, which names may have, are shown as such.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => out.write_str("&amp;"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '"' => out.write_str("&quot;"),
            '\'' => out.write_str("&#39;"),
            char if char.is_control() => write!(out, "{}", char.escape_unicode()),
            char => write!(out, "{char}"),
        })
    }
}

/// A name in a direction of its own, so that none turns what comes after it round.
fn name(name: &str) -> String {
    format!("<bdi>{}</bdi>", Text(name))
}

fn head(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let title = report.title.as_deref().unwrap_or("Batch report");
    let counts = report.files.counts;
    writeln!(
        out,
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title} · Flacship</title>
<style>
{STYLE}</style>
</head>
<body>
<header>
<div class="brand">{MARK}Flacship</div>
<h1>{title}</h1>
<p class="lead">{lead}</p>
</header>"#,
        title = Text(title),
        lead = lead(report.files.total, counts.failed),
    )?;
    match &report.ended {
        Some(ended) => writeln!(out, r#"<p class="ended">The conversion did not end well: {}</p>"#, Text(ended)),
        None => Ok(()),
    }
}

fn lead(total: u64, failed: u64) -> String {
    match (total, failed) {
        (0, _) => "There were no files to convert.".to_owned(),
        (1, 0) => "The file has its FLAC.".to_owned(),
        (_, 0) => format!("All {} have their FLAC.", words::files(total)),
        (_, failed) if failed >= total => format!("None of {} has its FLAC.", words::files(total)),
        (_, 1) => format!("1 of {} has no FLAC.", words::files(total)),
        _ => format!("{} of {} have no FLAC.", HumanCount(failed), words::files(total)),
    }
}

/// A tile: what, how much, and a line below.
fn tile(out: &mut dyn Write, class: &str, what: &str, value: &str, more: &str) -> io::Result<()> {
    let (value, more) = (Text(value), Text(more));
    writeln!(out, r#"<div class="{class}"><dt>{what}</dt><dd>{value}</dd><dd class="more">{more}</dd></div>"#)
}

fn totals(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let (counts, total) = (report.files.counts, report.files.total);
    let count = |count: u64| HumanCount(count).to_string();
    let of_all = |part: u64| if total == 0 { String::new() } else { format!("{} of all", words::share(part, total)) };
    let (input, output) = (report.bytes.input, report.bytes.output);
    writeln!(out, r#"<dl class="tiles">"#)?;
    tile(out, "", "Files", &count(total), "planned")?;
    tile(out, "", "Converted", &count(counts.converted), &of_all(counts.converted))?;
    tile(out, "", "Skipped", &count(counts.skipped), "had a FLAC")?;
    let failed = if counts.failed > 0 { "failed" } else { "" };
    tile(out, failed, "Failed", &count(counts.failed), &of_all(counts.failed))?;
    if input > 0 {
        let saved = words::bytes(input.saturating_sub(output));
        let less = words::less(input, output).unwrap_or_else(|| "no less".to_owned());
        tile(out, "", "Saved", &saved, &format!("{less} than the WAV files"))?;
    }
    if let (Some(elapsed), Some(rate)) = (report.times.elapsed_seconds, report.times.bytes_per_second) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rate = format!("{}/s of WAV", words::bytes(rate as u64));
        tile(out, "", "Took", &words::duration(elapsed), &rate)?;
    }
    writeln!(out, "</dl>")?;
    parts(
        out,
        "Files",
        &[
            ("converted", "converted", counts.converted),
            ("skipped", "skipped", counts.skipped),
            ("lost", "failed", counts.failed),
        ],
        count,
    )
}

/// One bar in parts, with a key.
fn parts(out: &mut dyn Write, of: &str, parts: &[(&str, &str, u64)], tell: impl Fn(u64) -> String) -> io::Result<()> {
    let total = parts.iter().map(|(.., part)| part).sum::<u64>();
    if total == 0 {
        return Ok(());
    }
    let told: Vec<_> = parts.iter().map(|(_, what, part)| format!("{} {what}", tell(*part))).collect();
    write!(
        out,
        r#"<svg class="parts" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="{of}: {}">"#,
        Text(&told.join(", "))
    )?;
    let mut at = 0;
    let place = |part: u64| u128::from(part) * 1000 / u128::from(total);
    for (class, _, part) in parts.iter().filter(|(.., part)| *part > 0) {
        let (from, to) = (place(at), place(at + part));
        // However few they are, they can be seen.
        let from = from.min(996);
        write!(out, r#"<rect class="{class}" x="{from}" width="{}" height="10"/>"#, (to.max(from + 4)) - from)?;
        at += part;
    }
    write!(out, "</svg>\n<p class=\"key\">")?;
    for ((class, ..), told) in parts.iter().zip(told) {
        write!(
            out,
            r#"<svg viewBox="0 0 8 8" aria-hidden="true"><rect class="{class}" width="8" height="8" rx="2"/></svg>{told}"#
        )?;
    }
    writeln!(out, "</p>")
}

/// The cell of a bar: a part of the whole width.
fn bar(class: &str, part: u64, of: u64) -> String {
    let (width, more) = (u128::from(part.min(of)) * 1000 / u128::from(of.max(1)), part > 0);
    let rect =
        if more { format!(r#"<rect class="{class}" width="100%" height="100%" rx="3"/>"#) } else { String::new() };
    format!(r#"<td class="bar"><svg width="{}.{}%" aria-hidden="true">{rect}</svg></td>"#, width / 10, width % 10)
}

/// A table of words and how many files each has; nothing if there are none.
fn counted(
    out: &mut dyn Write,
    title: &str,
    word: &str,
    class: &str,
    counts: &std::collections::BTreeMap<String, u64>,
) -> io::Result<()> {
    let Some(most) = counts.values().max() else { return Ok(()) };
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by(|one, other| other.1.cmp(one.1).then_with(|| one.0.cmp(other.0)));
    writeln!(
        out,
        r#"<h2>{title}</h2>
<div class="card"><table><thead><tr><th>{word}</th><th class="number">Files</th><th></th></tr></thead><tbody>"#
    )?;
    for (reason, count) in counts {
        writeln!(
            out,
            r#"<tr><td class="name"><code>{}</code></td><td class="number">{}</td>{}</tr>"#,
            Text(reason),
            HumanCount(*count),
            bar(class, *count, *most)
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn failures(out: &mut dyn Write, report: &Report, first: &[Failed]) -> io::Result<()> {
    if first.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2 id=\"failed\">Failed files</h2>")?;
    let (failed, shown) = (report.files.counts.failed, first.len() as u64);
    if failed > shown {
        writeln!(
            out,
            r#"<p class="note">The first {} of {}, by name. All are in <code>report.json</code> beside this page, under <code>failures</code>.</p>"#,
            HumanCount(shown),
            HumanCount(failed)
        )?;
    }
    writeln!(
        out,
        r#"<div class="card"><table><thead><tr><th>File</th><th>Reason</th><th>What to do about it</th></tr></thead><tbody>"#
    )?;
    for Failed { path, failure, .. } in first {
        writeln!(
            out,
            r#"<tr><td class="name">{}</td><td><code>{}</code></td><td class="why">{}</td></tr>"#,
            name(&path.text()),
            Text(&failure.reason),
            name(&failure.message)
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn slowest(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Some(most) = report.slowest.first().map(|slow| micros(slow.seconds)) else { return Ok(()) };
    writeln!(
        out,
        r#"<h2 id="slowest">Slowest files</h2>
<div class="card"><table><thead><tr><th>File</th><th class="number">WAV</th><th class="number">FLAC</th><th class="number">Took</th><th></th></tr></thead><tbody>"#
    )?;
    for slow in &report.slowest {
        writeln!(
            out,
            r#"<tr><td class="name">{}</td><td class="number">{}</td><td class="number">{}</td><td class="number">{}</td>{}</tr>"#,
            name(&slow.path.text()),
            words::bytes(slow.input),
            words::bytes(slow.output),
            words::duration(slow.seconds),
            bar("converted", micros(slow.seconds), most)
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

fn folders(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let savings = &report.folders.most_saved;
    let Some(most) = savings.first().map(super::tally::Saving::saved) else { return Ok(()) };
    writeln!(out, "<h2 id=\"folders\">Savings by folder</h2>")?;
    let shown = savings.len() as u64;
    if report.folders.total > shown {
        writeln!(
            out,
            r#"<p class="note">The {} of {} folders that saved most.</p>"#,
            HumanCount(shown),
            HumanCount(report.folders.total)
        )?;
    }
    writeln!(
        out,
        r#"<div class="card"><table><thead><tr><th>Folder</th><th class="number">Files</th><th class="number">WAV</th><th class="number">FLAC</th><th class="number">Saved</th><th></th></tr></thead><tbody>"#
    )?;
    for saving in savings {
        let folder =
            if saving.folder.is_empty() { "the source folder itself".to_owned() } else { name(&saving.folder) };
        writeln!(
            out,
            r#"<tr><td class="name">{folder}</td><td class="number">{}</td><td class="number">{}</td><td class="number">{}</td><td class="number">{}</td>{}</tr>"#,
            HumanCount(saving.files),
            words::bytes(saving.input),
            words::bytes(saving.output),
            words::bytes(saving.saved()),
            bar("converted", saving.saved(), most)
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn about(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let times = &report.times;
    let moved = report.sources;
    let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let planned = times.planned_at.parse().map_or_else(|_| times.planned_at.clone(), time);
    let sources = format!("{} deleted, {} moved", HumanCount(moved.deleted), HumanCount(moved.moved));
    let rows = [
        ("Source", Some(report.source.clone())),
        ("Destination", Some(report.destination.clone())),
        ("Records", Some(report.records.clone())),
        ("Sources since", (moved.deleted + moved.moved > 0).then_some(sources)),
        ("Planned", Some(planned)),
        ("Last record", times.worked_until.map(time)),
        ("Reported", Some(time(times.reported_at))),
        ("Work", Some(format!("{}, all workers together", words::duration(times.seconds)))),
        ("Records may go", report.expires_at.map(time)),
    ];
    writeln!(out, "<h2 id=\"about\">About this run</h2>\n<div class=\"card\"><dl class=\"about\">")?;
    for (what, value) in rows {
        if let Some(value) = value {
            writeln!(out, "<dt>{what}</dt><dd>{}</dd>", name(&value))?;
        }
    }
    writeln!(out, "</dl></div>")
}

#[cfg(test)]
mod tests;
