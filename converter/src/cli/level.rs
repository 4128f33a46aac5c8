//! `--level 5` and its short forms `-0` to `-8`, as `flac` has them.

use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches};

use crate::flac::Level;

/// The chosen compression level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelArgs {
    /// The level.
    pub level: Level,
}

/// The short forms: name of the argument, letter, level.
const SHORT: [(&str, char, u8); 9] = [
    ("0", '0', 0),
    ("1", '1', 1),
    ("2", '2', 2),
    ("3", '3', 3),
    ("4", '4', 4),
    ("5", '5', 5),
    ("6", '6', 6),
    ("7", '7', 7),
    ("8", '8', 8),
];

impl clap::Args for LevelArgs {
    fn augment_args(command: Command) -> Command {
        let level = Arg::new("level")
            .long("level")
            .value_name("0-8")
            .value_parser(clap::value_parser!(Level))
            .default_value("5")
            .help("Compression level, 0 (fastest) to 8 (smallest); also as -0 to -8");
        SHORT.iter().fold(command.arg(level), |command, (name, letter, _)| {
            let others = SHORT.iter().map(|(other, ..)| *other).filter(|other| other != name);
            let arg = Arg::new(*name).short(*letter).action(ArgAction::SetTrue).hide(true);
            command.arg(arg.overrides_with_all(others).conflicts_with("level"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LevelArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let short = SHORT.iter().find(|(name, ..)| matches.get_flag(name));
        let level = match short {
            Some((_, _, number)) => Level::new(*number).unwrap_or_default(),
            None => matches.get_one::<Level>("level").copied().unwrap_or_default(),
        };
        Ok(Self { level })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Probe {
        #[command(flatten)]
        level: LevelArgs,
    }

    fn level(args: &[&str]) -> Option<u8> {
        let args = std::iter::once(&"probe").chain(args);
        Probe::try_parse_from(args).ok().map(|probe| probe.level.level.get())
    }

    #[test]
    fn takes_long_and_short_levels() {
        assert_eq!(level(&[]), Some(5));
        assert_eq!(level(&["--level", "0"]), Some(0));
        for number in 0..=8_u8 {
            assert_eq!(level(&[&format!("-{number}")]), Some(number));
        }
        assert_eq!(level(&["-1", "-7"]), Some(7), "the last one wins");
        assert_eq!(level(&["--level", "9"]), None);
        assert_eq!(level(&["-9"]), None);
        assert_eq!(level(&["--level", "3", "-4"]), None);
    }
}
