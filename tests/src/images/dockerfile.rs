//! Reads the final stages of the `Dockerfile`: those that start `FROM scratch`.
//!
//! Only the instructions that those stages use are known, in the form in which they use them; everything else is an
//! error that names its line, so that `make images` never makes another image than `docker build`. Stages that start
//! from another image only build what the final ones copy: they are skipped, their names are kept.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

use crate::oci::Config;

/// A final stage: an image without a base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// The word after `AS`.
    pub name: String,
    /// Folders of the build stage whose content goes into the image's root, as written, for example `/out/operator/`.
    pub trees: Vec<String>,
    /// How a container of it starts.
    pub config: Config,
}

/// The final stages of `text`, in order.
///
/// # Errors
/// If an instruction of a final stage is unknown or in an unknown form; the message has the line's number.
pub fn parse(text: &str) -> Result<Vec<Stage>> {
    let mut reader = Reader::default();
    for (line, instruction) in instructions(text) {
        reader.read(&instruction).with_context(|| format!("Dockerfile line {line}: `{instruction}`"))?;
    }
    reader.end_stage()?;
    ensure!(!reader.stages.is_empty(), "the Dockerfile has no stage that starts FROM scratch");
    Ok(reader.stages)
}

/// Instructions with the number of their first line: comments and blank lines dropped, continued lines joined.
fn instructions(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part.trim_end(), true));
        match found.last_mut() {
            Some((_, instruction)) if continues => {
                instruction.push(' ');
                instruction.push_str(part);
            }
            _ => found.push((index + 1, part.to_owned())),
        }
        continues = more;
    }
    found
}

#[derive(Default)]
struct Reader {
    builders: Vec<String>,
    stages: Vec<Stage>,
    /// The final stage that is being read; none while a build stage is skipped.
    open: Option<Stage>,
}

impl Reader {
    fn read(&mut self, instruction: &str) -> Result<()> {
        let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
        let rest = rest.trim();
        if word == "FROM" {
            return self.from(rest);
        }
        let Some(stage) = self.open.as_mut() else { return Ok(()) };
        let config = &mut stage.config;
        match word {
            "COPY" => stage.trees.push(copied_tree(rest, &self.builders)?),
            "USER" => config.user = numeric_user(rest)?,
            "ENTRYPOINT" => {
                config.entrypoint = serde_json::from_str(rest)
                    .context("write ENTRYPOINT as a JSON array; a shell form would need a shell")?;
            }
            "EXPOSE" => {
                for port in rest.split_whitespace() {
                    let port: u16 = port.parse().context("write each port as a number: all are TCP")?;
                    config.exposed_ports.insert(format!("{port}/tcp"));
                }
            }
            "LABEL" => config.labels.append(&mut pairs(rest)?),
            _ => bail!(
                "make images does not know {word}: use COPY, USER, ENTRYPOINT, EXPOSE and LABEL, \
                 or teach tests/src/images/dockerfile.rs the new one"
            ),
        }
        Ok(())
    }

    fn from(&mut self, rest: &str) -> Result<()> {
        self.end_stage()?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [base, "AS", name] = words[..] else { bail!("write FROM image AS name") };
        let taken = self.builders.iter().chain(self.stages.iter().map(|stage| &stage.name)).any(|other| other == name);
        ensure!(!taken, "there is another stage {name}");
        if base == "scratch" {
            self.open = Some(Stage { name: name.to_owned(), ..Stage::default() });
        } else {
            self.builders.push(name.to_owned());
        }
        Ok(())
    }

    fn end_stage(&mut self) -> Result<()> {
        if let Some(stage) = self.open.take() {
            let name = &stage.name;
            ensure!(!stage.trees.is_empty(), "the stage {name} copies nothing");
            ensure!(!stage.config.entrypoint.is_empty(), "the stage {name} has no ENTRYPOINT");
            ensure!(!stage.config.user.is_empty(), "the stage {name} has no USER, so it would run as root");
            self.stages.push(stage);
        }
        Ok(())
    }
}

fn copied_tree(rest: &str, builders: &[String]) -> Result<String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [from, tree, "/"] = words[..] else { bail!("write COPY --from=stage /folder/ /") };
    let builder = from.strip_prefix("--from=").unwrap_or_default();
    ensure!(builders.iter().any(|known| known == builder), "--from= names no earlier build stage");
    ensure!(tree.starts_with('/') && tree.ends_with('/'), "copy a folder, written /folder/");
    Ok(tree.to_owned())
}

/// Kubernetes can hold an image to `runAsNonRoot` only if its user is a number.
fn numeric_user(rest: &str) -> Result<String> {
    let (user, group) = rest.split_once(':').unwrap_or_default();
    let is_id = |text: &str| text.parse::<u32>().is_ok_and(|id| id > 0);
    ensure!(is_id(user) && is_id(group), "write USER as two numbers above 0, like 65532:65532");
    Ok(rest.to_owned())
}

/// `key=value key="value with spaces"`.
fn pairs(text: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').context("write key=value or key=\"value\"")?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').context("a quotation mark is missing")?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        ensure!(
            !key.is_empty() && !key.contains(char::is_whitespace) && !value.contains(['\\', '$', '"', '\'']),
            "write key=value or key=\"value\", without variables and escapes"
        );
        ensure!(found.insert(key.to_owned(), value.to_owned()).is_none(), "{key} is given twice");
        rest = after.trim_start();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = r#"
# what it is
FROM rust:1.95 AS build
ARG ANYTHING=goes
RUN one && \
    two
FROM scratch AS tool
LABEL a.b=c \
      # a comment in between
      d="e f" \

      g=
COPY --from=build /out/tool/ /
USER 7:8
EXPOSE 1 2
EXPOSE 65535
ENTRYPOINT ["/tool", "run it"]
FROM scratch AS other
COPY --from=build /out/other/ /
USER 9:9
ENTRYPOINT ["/other"]
"#;

    fn pairs_of(items: &[(&str, &str)]) -> BTreeMap<String, String> {
        items.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn final_stages_are_read_and_build_stages_skipped() {
        let stages = parse(GOOD).unwrap();
        assert_eq!(stages.len(), 2);
        let config = Config {
            entrypoint: vec!["/tool".into(), "run it".into()],
            user: "7:8".into(),
            exposed_ports: ["1/tcp", "2/tcp", "65535/tcp"].map(str::to_owned).into(),
            labels: pairs_of(&[("a.b", "c"), ("d", "e f"), ("g", "")]),
            ..Config::default()
        };
        assert_eq!(stages[0], Stage { name: "tool".into(), trees: vec!["/out/tool/".into()], config });
        assert_eq!((stages[1].name.as_str(), stages[1].config.user.as_str()), ("other", "9:9"));
    }

    #[test]
    fn what_is_not_known_is_an_error_with_its_line() {
        let replace = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            parse(&GOOD.replacen(from, to, 1))
        };
        for (from, to, said) in [
            ("USER 7:8", "RUN true", "line 14: `RUN true`"),
            ("USER 7:8", "user 7:8", "does not know user"),
            ("USER 7:8", "VOLUME /x", "does not know VOLUME"),
            ("USER 7:8", "USER nobody", "two numbers"),
            ("USER 7:8", "USER 0:0", "two numbers"),
            ("USER 7:8", "USER 7", "two numbers"),
            ("USER 7:8\n", "", "no USER"),
            ("ENTRYPOINT [\"/tool\", \"run it\"]", "ENTRYPOINT /tool", "JSON array"),
            ("ENTRYPOINT [\"/tool\", \"run it\"]\n", "", "no ENTRYPOINT"),
            ("EXPOSE 65535", "EXPOSE 53/udp", "port as a number"),
            ("EXPOSE 65535", "EXPOSE 65536", "port as a number"),
            ("--from=build /out/tool/", "--from=biuld /out/tool/", "no earlier build stage"),
            ("--from=build /out/tool/", "--chown=1 --from=build /out/tool/", "write COPY"),
            ("--from=build /out/tool/", "/out/tool/", "write COPY"),
            ("/out/tool/ /", "/out/tool /", "copy a folder"),
            ("/out/tool/ /", "/out/tool/ /bin", "write COPY"),
            ("COPY --from=build /out/tool/ /\n", "", "copies nothing"),
            ("a.b=c", "a.b", "without variables"),
            ("a.b=c", "a.b=$C", "without variables"),
            ("a.b=c", "d=c", "d is given twice"),
            ("d=\"e f\"", "d=\"e f", "quotation mark"),
            ("FROM scratch AS other", "FROM scratch", "FROM image AS name"),
            ("FROM scratch AS other", "FROM scratch AS tool", "another stage tool"),
            ("FROM scratch AS other", "FROM --platform=linux/arm64 scratch AS other", "FROM image AS name"),
        ] {
            let error = format!("{:#}", replace(from, to).unwrap_err());
            assert!(error.contains(said), "{to}: {error}");
        }
        assert!(parse("FROM rust AS build\nRUN true\n").is_err());
        assert!(parse("").is_err());
    }
}
