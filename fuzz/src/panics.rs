//! Panics that are no findings.

use std::panic::{set_hook, take_hook};

/// The crates behind the frame encoder panic on some audio, more so with the checks of a fuzzing build. The engine
/// catches that and codes the block otherwise, but libFuzzer's hook would end the process before. A panic of theirs that
/// nobody catches still ends it.
pub fn let_engines_panic() {
    let abort = take_hook();
    set_hook(Box::new(move |info| {
        let engines = ["/flac-codec-", "/flacenc-"];
        match info.location().map(|location| location.file()) {
            Some(file) if engines.iter().any(|engine| file.contains(engine)) => {}
            _ => abort(info),
        }
    }));
}
