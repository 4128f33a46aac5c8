//! Padding bits that are not zero where nobody looks for them: in the middle of a long file.

use std::fs;

use crate::cli_shell::{Shell, objects, stderr};
use crate::support::{signed_pcm, spoiled_padding};
use crate::tools::reference_decode;

#[test]
fn a_padding_bit_in_the_middle_of_a_long_file_refuses_it_whole() {
    let (wav, _) = spoiled_padding();
    assert!(wav.len() > 10_000_000);
    let shell = Shell::new();
    for args in
        [&["in.wav", "--json"][..], &["in.wav", "--json", "--threads", "2", "--verify"], &["-", "-o", "in.flac"]]
    {
        let output = shell.file("in.wav", &wav).run_with_input(args, &wav);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(shell.files(), ["in.wav"], "{args:?}");
        if args.contains(&"--json") {
            let told = &objects(&output)[0];
            assert_eq!((&told["status"], &told["error"]["code"]), (&"failed".into(), &"padding_not_zero".into()));
            assert!(told["error"]["message"].as_str().unwrap().contains("--valid-bits"), "{told}");
        } else {
            assert!(stderr(&output).contains("--valid-bits"), "{}", stderr(&output));
        }
    }
}

#[test]
fn all_bits_of_such_a_file_are_kept_if_they_are_asked_for() {
    let (wav, all_bits) = spoiled_padding();
    let shell = Shell::new();
    let output = shell.file("in.wav", &wav).run(&["in.wav", "--valid-bits", "container", "-0"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(reference_decode(&shell.at("in.flac")) == signed_pcm(&all_bits, 32), "other samples");
    fs::remove_file(shell.at("in.flac")).unwrap();
    // They are not the lowest bits either, and that is not guessed.
    assert_eq!(shell.run(&["in.wav", "--valid-bits", "low"]).status.code(), Some(1));
    assert_eq!(shell.files(), ["in.wav"]);
}
