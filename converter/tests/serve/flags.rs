//! The flags of `converter serve`.

use clap::{Args as _, Command};
use converter::serve::Args;

#[test]
fn every_flag_is_an_environment_variable_too() {
    let command = Args::augment_args(Command::new("serve"));
    let flags: Vec<_> = command.get_arguments().filter_map(|flag| Some((flag.get_long()?, flag.get_env()))).collect();
    assert!(flags.len() > 20, "{flags:?}");
    for (flag, variable) in flags {
        let wanted = format!("FLACSHIP_{}", flag.to_uppercase().replace('-', "_"));
        assert_eq!(variable.and_then(|name| name.to_str()), Some(wanted.as_str()), "--{flag}");
    }
}
