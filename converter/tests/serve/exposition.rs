//! Reads OpenMetrics text by its specification (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), strictly: the
//! grammar, what belongs together, and histograms that add up.

use std::collections::{BTreeMap, BTreeSet};

/// A family of metrics.
#[derive(Debug)]
pub struct Family {
    pub kind: String,
    pub help: String,
    /// Each sample by its name and labels, as they are written.
    pub samples: BTreeMap<String, f64>,
}

/// All families of an exposition, or what is wrong with it.
pub fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with # EOF")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').ok_or(line)?;
            let (name, value) = rest.split_once(' ').ok_or(line)?;
            if !is_name(name) {
                return Err(format!("no name: {line}"));
            }
            if name != current {
                if families.contains_key(name) {
                    return Err(format!("a family in two pieces: {line}"));
                }
                let family = Family { kind: String::from("unknown"), help: String::new(), samples: BTreeMap::new() };
                families.insert(name.to_owned(), family);
                name.clone_into(&mut current);
            }
            let family = families.get_mut(name).ok_or(line)?;
            if !family.samples.is_empty() {
                return Err(format!("told after its samples: {line}"));
            }
            match keyword {
                "TYPE" if ["counter", "gauge", "histogram", "info"].contains(&value) => {
                    value.clone_into(&mut family.kind);
                }
                "HELP" => value.clone_into(&mut family.help),
                "UNIT" if name.ends_with(&format!("_{value}")) => {}
                _ => return Err(format!("no such line: {line}")),
            }
        } else {
            let family = families.get_mut(&current).ok_or_else(|| format!("of no family: {line}"))?;
            let (series, value) = sample(line)?;
            let name = series.split('{').next().unwrap_or_default();
            let suffix = name.strip_prefix(current.as_str()).ok_or_else(|| format!("of another family: {line}"))?;
            let fits: &[&str] = match family.kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[],
            };
            if !fits.contains(&suffix) || (family.kind != "gauge" && value < 0.0) {
                return Err(format!("no sample of a {}: {line}", family.kind));
            }
            if family.samples.insert(series.clone(), value).is_some() {
                return Err(format!("twice: {series}"));
            }
        }
    }
    for (name, family) in families.iter().filter(|(_, family)| family.kind == "histogram") {
        adds_up(name, family)?;
    }
    Ok(families)
}

/// Every series.
pub fn series(families: &BTreeMap<String, Family>) -> BTreeSet<String> {
    families.values().flat_map(|family| family.samples.keys().cloned()).collect()
}

fn is_name(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    !name.is_empty() && name.bytes().enumerate().all(|(at, byte)| first(byte) || (at > 0 && byte.is_ascii_digit()))
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> Result<(String, f64), String> {
    let wrong = || format!("no sample: {line}");
    let (series, value) = line.rsplit_once(' ').ok_or_else(wrong)?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').ok_or_else(wrong)?),
        None => (series, ""),
    };
    let mut seen = BTreeSet::new();
    // None of our labels' values needs an escape, or holds a comma.
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once('=').ok_or_else(wrong)?;
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).ok_or_else(wrong)?;
        if !is_name(key) || key.contains(':') || value.contains(['"', '\\']) || !seen.insert(key) {
            return Err(wrong());
        }
    }
    if is_name(name) { Ok((series.to_owned(), value.parse().map_err(|_| wrong())?)) } else { Err(wrong()) }
}

/// Buckets grow, and the last holds all.
fn adds_up(name: &str, family: &Family) -> Result<(), String> {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (series, count) in &family.samples {
        let Some(labels) = series.strip_prefix(&format!("{name}_bucket{{")) else { continue };
        let bound = labels.split(['{', ',', '}']).find_map(|label| label.strip_prefix("le=\""));
        let bound = bound.ok_or(format!("no bound: {series}"))?.trim_end_matches('"');
        let others: Vec<_> =
            labels.trim_end_matches('}').split(',').filter(|label| !label.starts_with("le=")).collect();
        let bound = bound.replace("+Inf", "inf").parse().map_err(|_| format!("no bound: {series}"))?;
        buckets.entry(others.join(",")).or_default().push((bound, *count));
    }
    if buckets.is_empty() && !family.samples.is_empty() {
        return Err(format!("{name} has no buckets"));
    }
    for (labels, mut buckets) in buckets {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = if labels.is_empty() { format!("{name}_count") } else { format!("{name}_count{{{labels}}}") };
        let last = buckets.last().copied();
        if !buckets.is_sorted_by(|a, b| a.1 <= b.1)
            || last != Some((f64::INFINITY, *family.samples.get(&count).ok_or(format!("{count} is missing"))?))
        {
            return Err(format!("{name}{{{labels}}} does not add up: {buckets:?}"));
        }
    }
    Ok(())
}

#[test]
fn what_is_wrong_is_found() {
    let head = "# HELP a_seconds A.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n";
    assert!(parse(&format!("{head}a_seconds_total{{kind=\"x\"}} 1\n# EOF\n")).is_ok());
    for text in [
        "a_seconds_total 1\n",
        "a_seconds 1\n# EOF\n",
        "a_seconds_total -1\n# EOF\n",
        "a_seconds_total 1\na_seconds_total 1\n# EOF\n",
        "a_seconds_total{kind=x} 1\n# EOF\n",
        "a_seconds_total{1=\"x\"} 1\n# EOF\n",
        "a_seconds_total one\n# EOF\n",
        "b_total 1\n# EOF\n",
        "\n# EOF\n",
        "# TYPE b strange\n# EOF\n",
        "# UNIT b bytes\n# EOF\n",
        "# TYPE b gauge\nb 1\n# TYPE a_seconds counter\n# EOF\n",
        "# TYPE b histogram\nb_bucket{le=\"1\"} 2\nb_bucket{le=\"+Inf\"} 1\nb_count 1\nb_sum 1\n# EOF\n",
        "# TYPE b histogram\nb_bucket{le=\"1\"} 1\nb_bucket{le=\"+Inf\"} 1\nb_count 2\nb_sum 1\n# EOF\n",
    ] {
        assert!(parse(&format!("{head}{text}")).is_err(), "{text}");
    }
}
