//! The engines' names, and what they take. That their frames decode is tested over all shapes in
//! `tests/core/engines.rs`.

use super::*;

#[test]
fn engines_are_named_as_they_are_read() {
    for engine in [Engine::Native, Engine::Portable, Engine::Flacenc] {
        assert_eq!(engine.to_string().parse(), Ok(engine));
    }
    for text in ["", "Native", "flac-codec", "native "] {
        assert_eq!(text.parse::<Engine>(), Err(UnknownEngine), "{text}");
    }
    assert_eq!(Engine::default(), Engine::Native);
}
