//! The settings as flags of a command line, and back.
//!
//! A flag is a setting's name with hyphens. A boolean is `--flip`, `--flip=false` or `--no-flip`, and
//! a setting that may be unset is unset by `none`.

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use toml::{Table, Value};

use super::sections::section_from;
use super::{Config, TOO_LARGE};

/// The settings that a command line names: an argument group of clap, and a table to lay over
/// others ([`lay`](super::lay)).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags(pub Table);

/// The settings as the arguments of a command, in the order of the fields.
pub(super) fn command() -> Command {
    Command::new("chainrule").args(arguments()).disable_help_flag(true)
}

fn arguments() -> Vec<Arg> {
    let derived = Config::augment_args(Command::new(""));
    derived
        .get_arguments()
        .map(|arg| match arg.get_action().takes_values() {
            true => arg.clone().allow_negative_numbers(true),
            false => boolean(arg.clone()),
        })
        .collect()
}

/// A flag that may be given a value, by `=` alone.
fn boolean(flag: Arg) -> Arg {
    let default = flag.get_default_values().first().cloned();
    flag.action(ArgAction::Set)
        .value_parser(BoolishValueParser::new())
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value(default.unwrap_or_else(|| "false".into()))
        .hide_possible_values(true)
}

fn is_boolean(arg: &Arg) -> bool {
    arg.is_require_equals_set()
}

/// The hidden flag that undoes another: `--no-flip`, `--no-zca`.
fn negation(arg: &Arg) -> Option<Arg> {
    let is_none = arg.get_default_values().iter().any(|value| value == "none");
    (is_boolean(arg) || is_none).then(|| {
        let long = arg.get_long().expect("every setting has a flag");
        let aliases = arg.get_all_aliases().unwrap_or_default();
        Arg::new(format!("no-{long}"))
            .long(format!("no-{long}"))
            .aliases(aliases.into_iter().map(|alias| format!("no-{alias}")))
            .hide(true)
            .action(ArgAction::SetTrue)
            .overrides_with(arg.get_id().clone())
    })
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let mut heading = "";
        arguments().into_iter().fold(command, |command, arg| {
            heading = section_from(arg.get_id().as_str()).unwrap_or(heading);
            let negation = negation(&arg);
            let undone = negation.as_ref().map(|negation| negation.get_id().clone());
            let arg = arg.help_heading(heading).overrides_with_all(undone);
            command.arg(arg).args(negation)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let config = Config::from_arg_matches(matches)?;
        let mut table = Table::try_from(&config)
            .map_err(|_| clap::Error::raw(ErrorKind::ValueValidation, format!("{TOO_LARGE}\n")))?;
        let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let mut given = Table::new();
        for arg in arguments() {
            let id = arg.get_id().as_str();
            if is_given(id) {
                given.insert(id.into(), table.remove(id).unwrap_or_else(|| "none".into()));
            }
            if negation(&arg).is_some_and(|negation| is_given(negation.get_id().as_str())) {
                let off = if is_boolean(&arg) { Value::Boolean(false) } else { "none".into() };
                given.insert(id.into(), off);
            }
        }
        Ok(Flags(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Settings as the words of a command line, not quoted; nothing if there is no flag for one.
pub fn words<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Vec<String>> {
    let all = arguments();
    let mut words = vec![];
    for (key, value) in settings {
        let key = chainrule_runs::names::canonical(key);
        let arg = all.iter().find(|arg| arg.get_id() == key)?;
        let flag = format!("--{}", arg.get_long()?);
        let default = arg.get_default_values().first();
        match (is_boolean(arg), value) {
            (true, value) if default.is_some_and(|default| default == value) => {}
            (true, "true") => words.push(flag),
            (true, "false") => words.push(flag.replacen("--", "--no-", 1)),
            (true, _) => return None,
            // An empty list, of hidden layers say, is none.
            (false, "") => words.extend([flag, "none".into()]),
            (false, value) => words.extend([flag, value.into()]),
        }
    }
    Some(words)
}
