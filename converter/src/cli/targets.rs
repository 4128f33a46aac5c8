//! Which input becomes which output: decided before anything is read or written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One end of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// Standard input or standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Place {
    /// `-` is standard input or output; `./-` is a file of that name.
    pub fn new(path: &Path) -> Self {
        if path == Path::new("-") { Self::Standard } else { Self::File(path.to_path_buf()) }
    }
}

/// One input and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Where the audio comes from.
    pub input: Place,
    /// Where the FLAC goes.
    pub output: Place,
}

/// Inputs and output that do not fit together: a mistake on the command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Several inputs, but no folder to put their outputs in.
    #[error("several inputs need a folder as output: {} is none", .0.display())]
    NoFolder(PathBuf),
    /// Several inputs to standard output.
    #[error("several inputs cannot go to one standard output: name a folder with -o")]
    ManyToStandard,
    /// Standard input twice.
    #[error("standard input can be read only once")]
    StandardTwice,
    /// Standard input has no name to make a file's name of.
    #[error("standard input has no name: name the output file with -o {}", .0.join("NAME.flac").display())]
    Nameless(PathBuf),
    /// Two inputs with the same output.
    #[error("{} and {} would both become {}: convert them into different folders", first.display(), second.display(), output.display())]
    Collision {
        /// The one input.
        first: PathBuf,
        /// The other input.
        second: PathBuf,
        /// Their output.
        output: PathBuf,
    },
    /// A path without a file name, such as `..`.
    #[error("{} names no file", .0.display())]
    NoName(PathBuf),
}

/// Deals every input its output. `is_folder` tells whether a path is an existing folder.
pub fn plan_tasks(
    inputs: &[PathBuf],
    output: Option<&Path>,
    is_folder: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Task>, PlanError> {
    let folder = output.filter(|path| *path != Path::new("-") && is_folder(path));
    if let (None, Some(output), [_, _, ..]) = (folder, output, inputs) {
        return Err(match Place::new(output) {
            Place::Standard => PlanError::ManyToStandard,
            Place::File(path) => PlanError::NoFolder(path),
        });
    }
    let mut taken: HashMap<Place, &Path> = HashMap::new();
    let mut tasks = Vec::new();
    for path in inputs {
        let input = Place::new(path);
        let output = match (&input, folder, output) {
            (Place::File(path), Some(folder), _) => Place::File(folder.join(flac_name(path)?)),
            (Place::Standard, Some(folder), _) => return Err(PlanError::Nameless(folder.to_path_buf())),
            (_, None, Some(output)) => Place::new(output),
            (Place::File(path), None, None) => Place::File(path.with_file_name(flac_name(path)?)),
            (Place::Standard, None, None) if inputs.len() > 1 => return Err(PlanError::ManyToStandard),
            (Place::Standard, None, None) => Place::Standard,
        };
        if let Some(first) = taken.insert(without_detours(&output), path) {
            return Err(match output {
                Place::Standard => PlanError::StandardTwice,
                Place::File(output) => PlanError::Collision { first: first.into(), second: path.clone(), output },
            });
        }
        tasks.push(Task { input, output });
    }
    Ok(tasks)
}

/// The same place without `.` in its path, so that two ways to write it are seen as one.
fn without_detours(place: &Place) -> Place {
    match place {
        Place::Standard => Place::Standard,
        Place::File(path) => Place::File(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
    }
}

/// The file name of an input's FLAC file: a last extension is replaced.
fn flac_name(input: &Path) -> Result<PathBuf, PlanError> {
    let name = input.file_name().ok_or_else(|| PlanError::NoName(input.to_path_buf()))?;
    Ok(Path::new(name).with_extension("flac"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(inputs: &[&str], output: Option<&str>) -> Result<Vec<(Place, Place)>, PlanError> {
        let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
        let tasks = plan_tasks(&inputs, output.map(Path::new), &|path| path == Path::new("dir"))?;
        Ok(tasks.into_iter().map(|task| (task.input, task.output)).collect())
    }

    fn file(path: &str) -> Place {
        Place::File(path.into())
    }

    #[test]
    fn names_outputs_after_inputs() {
        assert_eq!(plan(&["a/x.wav"], None), Ok(vec![(file("a/x.wav"), file("a/x.flac"))]));
        assert_eq!(plan(&["x.y.WAV"], None), Ok(vec![(file("x.y.WAV"), file("x.y.flac"))]));
        assert_eq!(plan(&["noext"], Some("dir")), Ok(vec![(file("noext"), file("dir/noext.flac"))]));
        assert_eq!(plan(&["a.wav"], Some("b.flac")), Ok(vec![(file("a.wav"), file("b.flac"))]));
        assert_eq!(plan(&["-"], None), Ok(vec![(Place::Standard, Place::Standard)]));
        assert_eq!(plan(&["-"], Some("b.flac")), Ok(vec![(Place::Standard, file("b.flac"))]));
        assert_eq!(plan(&["a.wav"], Some("-")), Ok(vec![(file("a.wav"), Place::Standard)]));
        assert_eq!(plan(&["./-"], None), Ok(vec![(file("./-"), file("./-.flac"))]));
        assert_eq!(
            plan(&["a.wav", "s/b.wav"], Some("dir")),
            Ok(vec![(file("a.wav"), file("dir/a.flac")), (file("s/b.wav"), file("dir/b.flac"))])
        );
    }

    #[test]
    fn refuses_what_does_not_fit_together() {
        assert_eq!(plan(&["a.wav", "b.wav"], Some("c.flac")), Err(PlanError::NoFolder("c.flac".into())));
        assert_eq!(plan(&["a.wav", "b.wav"], Some("-")), Err(PlanError::ManyToStandard));
        assert_eq!(plan(&["a.wav", "-"], None), Err(PlanError::ManyToStandard));
        assert_eq!(plan(&["-"], Some("dir")), Err(PlanError::Nameless("dir".into())));
        assert_eq!(plan(&[".."], None), Err(PlanError::NoName("..".into())));
        let collision = plan(&["a/x.wav", "b/x.wav"], Some("dir")).unwrap_err().to_string();
        assert_eq!(collision, "a/x.wav and b/x.wav would both become dir/x.flac: convert them into different folders");
        assert!(plan(&["x.wav", "x.WAV"], None).is_err());
        assert!(plan(&["x.wav", "./x.wav"], None).is_err());
    }
}
