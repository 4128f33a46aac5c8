//! Which input becomes which output: decided before anything is read or written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::find::{Found, Source};

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
    /// The folder that is made for it, unless it is there.
    pub folder: Option<PathBuf>,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// Nothing, or nothing that can be seen.
    Nothing,
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A device, a pipe, a socket.
    Other,
}

impl There {
    /// Looks; a link counts as what it leads to.
    pub fn look(path: &Path) -> Self {
        match path.metadata() {
            Err(_) => Self::Nothing,
            Ok(meta) if meta.is_dir() => Self::Folder,
            Ok(meta) if meta.is_file() => Self::File,
            Ok(_) => Self::Other,
        }
    }
}

/// Inputs and output that do not fit together: a mistake on the command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Several inputs, but no folder to put their outputs in.
    #[error(
        "several inputs need a folder as output: {} is none; make that folder, or end its name with / to have it made",
        .0.display()
    )]
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
    /// The output is a device or a pipe, which a finished file would replace.
    #[error("{path} is no regular file: to write into it, write to standard output, as in -o - > {path}", path = .0.display())]
    NotRegular(PathBuf),
}

/// Deals every input its output. `look` tells what is at a path.
pub fn plan_tasks(found: &Found, output: Option<&Path>, look: &dyn Fn(&Path) -> There) -> Result<Vec<Task>, PlanError> {
    let several = found.is_several();
    let folder = output_folder(found, output, look)?;
    if several && folder.is_none() && output.is_some_and(|path| Place::new(path) == Place::Standard) {
        return Err(PlanError::ManyToStandard);
    }
    let mut taken: HashMap<Place, PathBuf> = HashMap::new();
    let mut tasks = Vec::new();
    for source in &found.sources {
        let task = match (source, folder, output) {
            (Source::Standard, Some(folder), _) => return Err(PlanError::Nameless(folder.to_path_buf())),
            (Source::Standard, None, None) if several => return Err(PlanError::ManyToStandard),
            (Source::Standard, None, output) => {
                Task { input: Place::Standard, output: output.map_or(Place::Standard, Place::new), folder: None }
            }
            (Source::File { path, below }, Some(folder), _) => {
                let output = folder.join(flac_name(below)?);
                let parent = output.parent().map(Path::to_path_buf);
                Task { input: Place::File(path.clone()), output: Place::File(output), folder: parent }
            }
            (Source::File { path, .. }, None, Some(output)) => {
                Task { input: Place::File(path.clone()), output: Place::new(output), folder: None }
            }
            (Source::File { path, .. }, None, None) => {
                Task { input: Place::File(path.clone()), output: Place::File(flac_name(path)?), folder: None }
            }
        };
        let path = source.path().to_path_buf();
        if let Some(first) = taken.insert(without_detours(&task.output), path.clone()) {
            return Err(match task.output {
                Place::Standard => PlanError::StandardTwice,
                Place::File(output) => PlanError::Collision { first, second: path, output },
            });
        }
        tasks.push(task);
    }
    Ok(tasks)
}

/// The folder that outputs go to, if `output` is one: it is there, or it is written as one, or only a folder can take
/// what a folder as input gives.
fn output_folder<'a>(
    found: &Found,
    output: Option<&'a Path>,
    look: &dyn Fn(&Path) -> There,
) -> Result<Option<&'a Path>, PlanError> {
    let Some(path) = output.filter(|path| *path != Path::new("-")) else { return Ok(None) };
    let written_as_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    match look(path) {
        There::Folder => Ok(Some(path)),
        There::Other => Err(PlanError::NotRegular(path.to_path_buf())),
        There::Nothing if written_as_folder || found.folders > 0 => Ok(Some(path)),
        There::File | There::Nothing if found.is_several() => Err(PlanError::NoFolder(path.to_path_buf())),
        There::File | There::Nothing => Ok(None),
    }
}

/// The same place without `.` in its path, so that two ways to write it are seen as one.
fn without_detours(place: &Place) -> Place {
    match place {
        Place::Standard => Place::Standard,
        Place::File(path) => Place::File(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
    }
}

/// The path of an input's FLAC file: a last extension is replaced.
fn flac_name(input: &Path) -> Result<PathBuf, PlanError> {
    if input.file_name().is_none() {
        return Err(PlanError::NoName(input.to_path_buf()));
    }
    Ok(input.with_extension("flac"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_found(found: &Found, output: Option<&str>) -> Result<Vec<(Place, Place)>, PlanError> {
        let look = |path: &Path| match path.to_str() {
            Some("dir") => There::Folder,
            Some("file") => There::File,
            Some("/dev/null") => There::Other,
            _ => There::Nothing,
        };
        let tasks = plan_tasks(found, output.map(Path::new), &look)?;
        Ok(tasks.into_iter().map(|task| (task.input, task.output)).collect())
    }

    fn plan(inputs: &[&str], output: Option<&str>) -> Result<Vec<(Place, Place)>, PlanError> {
        let sources = inputs.iter().map(|path| Source::named(Path::new(path))).collect();
        plan_found(&Found { sources, named: inputs.len(), ..Found::default() }, output)
    }

    /// The same for files that were found in the folder `in`.
    fn plan_folder(files: &[&str], output: Option<&str>) -> Result<Vec<(Place, Place)>, PlanError> {
        let source = |below: &&str| Source::File { path: Path::new("in").join(below), below: below.into() };
        let sources = files.iter().map(source).collect();
        plan_found(&Found { sources, named: 1, folders: 1, ..Found::default() }, output)
    }

    fn file(path: &str) -> Place {
        Place::File(path.into())
    }

    #[test]
    fn names_outputs_after_inputs() {
        assert_eq!(plan(&["a/x.wav"], None), Ok(vec![(file("a/x.wav"), file("a/x.flac"))]));
        assert_eq!(plan(&["x.y.WAV"], None), Ok(vec![(file("x.y.WAV"), file("x.y.flac"))]));
        assert_eq!(plan(&["noext"], Some("dir")), Ok(vec![(file("noext"), file("dir/noext.flac"))]));
        assert_eq!(plan(&["d/a.wav"], Some("new/")), Ok(vec![(file("d/a.wav"), file("new/a.flac"))]));
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
    fn mirrors_folders() {
        let files = ["a.wav", "s/b.WAV"];
        assert_eq!(
            plan_folder(&files, Some("new")),
            Ok(vec![(file("in/a.wav"), file("new/a.flac")), (file("in/s/b.WAV"), file("new/s/b.flac"))])
        );
        assert_eq!(
            plan_folder(&files, None),
            Ok(vec![(file("in/a.wav"), file("in/a.flac")), (file("in/s/b.WAV"), file("in/s/b.flac"))])
        );
        assert_eq!(plan_folder(&["a.wav"], Some("file")), Err(PlanError::NoFolder("file".into())));
        assert_eq!(plan_folder(&["a.wav"], Some("-")), Err(PlanError::ManyToStandard));
    }

    #[test]
    fn refuses_what_does_not_fit_together() {
        assert_eq!(plan(&["a.wav", "b.wav"], Some("c.flac")), Err(PlanError::NoFolder("c.flac".into())));
        assert_eq!(plan(&["a.wav", "b.wav"], Some("-")), Err(PlanError::ManyToStandard));
        assert_eq!(plan(&["a.wav", "-"], None), Err(PlanError::ManyToStandard));
        assert_eq!(plan(&["-"], Some("dir")), Err(PlanError::Nameless("dir".into())));
        assert_eq!(plan(&[".."], None), Err(PlanError::NoName("..".into())));
        let device = plan(&["a.wav"], Some("/dev/null")).unwrap_err().to_string();
        assert_eq!(
            device,
            "/dev/null is no regular file: to write into it, write to standard output, as in -o - > /dev/null"
        );
        let collision = plan(&["a/x.wav", "b/x.wav"], Some("dir")).unwrap_err().to_string();
        assert_eq!(collision, "a/x.wav and b/x.wav would both become dir/x.flac: convert them into different folders");
        assert!(plan(&["x.wav", "x.WAV"], None).is_err());
        assert!(plan(&["x.wav", "./x.wav"], None).is_err());
    }
}
