//! The flags, made from the table of settings.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::raw::split_list;
use super::setting::{Fallback, Secrecy, Setting, Shape};
use super::settings::ALL;

/// Id, flag and variable of the setting that names the configuration file.
const CONFIG: &str = "config";

/// What the command line sets. Not `Debug`: it may hold secrets.
#[derive(Clone, Default)]
pub struct FlagValues {
    values: BTreeMap<String, Vec<String>>,
}

// === impl FlagValues ===

impl FlagValues {
    /// What a flag was given.
    pub(crate) fn get(&self, name: &str) -> Option<&[String]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// The configuration file that the command line names.
    pub(crate) fn config(&self) -> Option<&str> {
        self.get(CONFIG)?.last().map(String::as_str)
    }

    /// Names the state file, or the configuration that names it, for commands that take no other flags.
    pub(crate) fn of_store(config: Option<&str>, path: Option<&str>, url: Option<&str>) -> Self {
        let given =
            [(CONFIG, config), (super::settings::STORE_PATH.name, path), (super::settings::DATABASE_URL.name, url)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), vec![value?.to_owned()])));
        Self { values: given.collect() }
    }

    /// Sets flags as a command line would.
    #[cfg(test)]
    pub(crate) fn of(flags: &[(&str, &str)]) -> Self {
        let mut values = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in flags {
            let shape = ALL.iter().find(|setting| setting.name == *name).map_or(Shape::One, |setting| setting.shape);
            values.entry((*name).to_owned()).or_default().extend(flag_items(shape, value));
        }
        Self { values }
    }
}

fn flag_items(shape: Shape, text: &str) -> Vec<String> {
    match shape {
        Shape::Commas | Shape::Tables => split_list(shape, text),
        Shape::Words | Shape::One | Shape::Switch => vec![text.to_owned()],
    }
}

fn arguments() -> impl Iterator<Item = Arg> {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .help("Configuration file (TOML)\n[env: FJMCP_BROKER_CONFIG]")
        .help_heading("Configuration");
    std::iter::once(config)
        .chain(ALL.iter().flat_map(|&setting| [Some(argument(setting)), file_argument(setting)]).flatten())
}

fn argument(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        Fallback::Required => "[required]".to_owned(),
        _ => format!("[default: {}]", setting.default_text()),
    };
    let mut help = format!("{}\n{default} [env: {}]", setting.doc, setting.variable());
    if matches!(setting.secrecy, Secrecy::Secret | Secrecy::Members) {
        help.push_str("\nOther users of the machine can read a command line: better use the variable or the file.");
    }
    let argument = Arg::new(setting.name).long(setting.name).help(help).help_heading(setting.group);
    match setting.shape {
        Shape::One => argument.value_name(setting.placeholder).action(ArgAction::Set),
        Shape::Commas | Shape::Tables => argument.value_name(setting.placeholder).action(ArgAction::Append),
        Shape::Words => argument.value_name(setting.placeholder).action(ArgAction::Append).allow_hyphen_values(true),
        Shape::Switch => argument.action(ArgAction::SetTrue),
    }
}

fn file_argument(setting: &'static Setting) -> Option<Arg> {
    let name = setting.file_name();
    setting.may_come_from_file().then(|| {
        Arg::new(name.clone())
            .long(name.clone())
            .value_name("FILE")
            .help(format!("File that holds {}\n[env: {}]", setting.name, super::setting::variable(&name)))
            .help_heading(setting.group)
    })
}

impl Args for FlagValues {
    fn augment_args(command: Command) -> Command {
        command.args(arguments())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FlagValues {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let mut take = |name: &str, shape: Shape| {
            if let Ok(Some(texts)) = matches.try_get_many::<String>(name) {
                self.values.insert(name.to_owned(), texts.flat_map(|text| flag_items(shape, text)).collect());
            }
        };
        take(CONFIG, Shape::One);
        for setting in ALL {
            if setting.may_come_from_file() {
                take(&setting.file_name(), Shape::One);
            }
            if setting.shape != Shape::Switch {
                take(setting.name, setting.shape);
            }
        }
        for setting in ALL.iter().filter(|setting| setting.shape == Shape::Switch && matches.get_flag(setting.name)) {
            self.values.insert(setting.name.to_owned(), vec!["true".to_owned()]);
        }
        Ok(())
    }
}
