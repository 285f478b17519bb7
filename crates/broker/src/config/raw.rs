//! Values as they were written, with the place they came from: a flag wins over a variable, a variable over the file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::FileValues;
use super::flags::FlagValues;
use super::problem::Problem;
use super::setting::{Fallback, PREFIX, Setting, Shape};
use super::settings::ALL;

/// Reads a variable of the environment; a parameter, so that tests need not change the process's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Where systemd puts the credentials of a service.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag, named with its dashes.
    Flag(String),
    /// A variable.
    Variable(String),
    /// A line of the configuration file.
    File { path: PathBuf, line: usize },
    /// The table of settings.
    Default,
    /// Worked out from other settings.
    Computed,
}

/// What was written for one setting. Not `Debug`: it may be a secret.
#[derive(Clone)]
pub(crate) struct RawValue {
    /// One item, or the items of a list.
    pub(crate) items: Vec<String>,
    /// Where it stood.
    pub(crate) source: Source,
    /// The file that held the value, if the source named one.
    pub(crate) read_from: Option<PathBuf>,
}

/// What was written for all settings that anybody set.
#[derive(Default)]
pub(crate) struct RawValues {
    values: BTreeMap<&'static str, RawValue>,
    pub(crate) problems: Vec<Problem>,
}

// === impl Source ===

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Default => f.write_str("default"),
            Self::Computed => f.write_str("computed"),
        }
    }
}

// === impl RawValue ===

impl RawValue {
    /// The source as people should read it.
    pub(crate) fn origin(&self) -> String {
        match &self.read_from {
            Some(path) => format!("{}, file {}", self.source, path.display()),
            None => self.source.to_string(),
        }
    }
}

// === impl RawValues ===

impl RawValues {
    /// Takes for each setting the value of the highest source that has one.
    pub(crate) fn gather(flags: &FlagValues, environment: Environment<'_>, file: &FileValues) -> Self {
        let mut gathered = Self { values: BTreeMap::new(), problems: file.problems.clone() };
        for &setting in ALL {
            if let Some(value) = gathered.highest(setting, flags, environment, file) {
                gathered.values.insert(setting.name, value);
            }
        }
        gathered
    }

    /// Takes over what `other` has of these settings.
    pub(crate) fn take_from(&mut self, mut other: Self, of: impl Fn(&Setting) -> bool) {
        for setting in ALL.iter().filter(|setting| of(setting)) {
            match other.values.remove(setting.name) {
                Some(value) => self.values.insert(setting.name, value),
                None => self.values.remove(setting.name),
            };
        }
    }

    fn highest(
        &mut self,
        setting: &'static Setting,
        flags: &FlagValues,
        environment: Environment<'_>,
        file: &FileValues,
    ) -> Option<RawValue> {
        let file_name = setting.file_name();
        let flag = |name: &str| flags.get(name).map(|items| (items.to_vec(), Source::Flag(format!("--{name}"))));
        if let Some(found) = self.level(setting, flag(setting.name), flag(&file_name)) {
            return Some(found);
        }
        let inline = self.variable(setting, &setting.variable(), environment, true);
        let named = if setting.may_come_from_file() {
            self.variable(setting, &super::setting::variable(&file_name), environment, false)
        } else {
            None
        };
        if let Some(found) = self.level(setting, inline, named) {
            return Some(found);
        }
        if let Some(found) = self.level(setting, None, credential(setting, environment)) {
            return Some(found);
        }
        if let Some(found) = self.level(setting, file.get(setting.name), file.get(&file_name)) {
            return Some(found);
        }
        match setting.default {
            Fallback::Value(text) => {
                Some(RawValue { items: vec![text.to_owned()], source: Source::Default, read_from: None })
            }
            Fallback::Required | Fallback::Unset(_) | Fallback::Computed(_) => None,
        }
    }

    fn variable(
        &mut self,
        setting: &Setting,
        name: &str,
        environment: Environment<'_>,
        split: bool,
    ) -> Option<(Vec<String>, Source)> {
        let value = environment(name).filter(|value| !value.is_empty())?;
        let Ok(value) = value.into_string() else {
            self.complain(setting, name.to_owned(), "the variable is not UTF-8", "set it to plain text");
            return None;
        };
        let items = if split { split_list(setting.shape, &value) } else { vec![value] };
        Some((items, Source::Variable(name.to_owned())))
    }

    /// Decides between a value and the file that holds one, both from the same source.
    fn level(
        &mut self,
        setting: &Setting,
        inline: Option<(Vec<String>, Source)>,
        named: Option<(Vec<String>, Source)>,
    ) -> Option<RawValue> {
        match (inline, named) {
            (None, None) => None,
            (Some((items, source)), None) => Some(RawValue { items, source, read_from: None }),
            (Some((items, source)), Some((_, other))) => {
                self.complain(setting, other.to_string(), format!("{source} sets the same"), "keep one of the two");
                Some(RawValue { items, source, read_from: None })
            }
            (None, Some((paths, source))) => {
                let path = PathBuf::from(paths.into_iter().next_back()?);
                match read_value(setting, &path) {
                    Ok(items) => Some(RawValue { items, source, read_from: Some(path) }),
                    Err(wrong) => {
                        self.complain(
                            setting,
                            source.to_string(),
                            wrong,
                            "name a readable file that holds the value and nothing else",
                        );
                        // The setting counts as set, so that it is not complained of as missing too.
                        Some(RawValue { items: Vec::new(), source, read_from: Some(path) })
                    }
                }
            }
        }
    }

    fn complain(&mut self, setting: &Setting, source: String, wrong: impl Into<String>, remedy: &str) {
        self.problems.push(Problem {
            setting: setting.name.to_owned(),
            source: Some(source),
            wrong: wrong.into(),
            remedy: remedy.to_owned(),
        });
    }

    /// What was written for a setting.
    pub(crate) fn get(&self, setting: &Setting) -> Option<&RawValue> {
        self.values.get(setting.name)
    }
}

/// The file of the setting's name among the credentials that systemd hands to the service (systemd.exec(5), `LoadCredential=`), if it is there.
fn credential(setting: &Setting, environment: Environment<'_>) -> Option<(Vec<String>, Source)> {
    if !setting.may_come_from_file() {
        return None;
    }
    let directory = environment(CREDENTIALS_DIRECTORY).filter(|directory| !directory.is_empty())?;
    let path = Path::new(&directory).join(setting.name);
    let text = path.exists().then(|| path.to_str().map(str::to_owned)).flatten()?;
    Some((vec![text], Source::Variable(CREDENTIALS_DIRECTORY.to_owned())))
}

/// Reads the file that a `-file` variant names. One trailing line end is not part of a value.
fn read_value(setting: &Setting, path: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let items: Vec<String> = if setting.shape == Shape::Tables {
        split_list(setting.shape, &text)
    } else if setting.is_list() {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    } else {
        let value = text.trim_end_matches(['\r', '\n']);
        if value.is_empty() { Vec::new() } else { vec![value.to_owned()] }
    };
    if items.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(items) }
}

/// Splits a flag's or variable's text into the items of a list. A JSON array of strings says exactly what is meant.
pub(super) fn split_list(shape: Shape, text: &str) -> Vec<String> {
    let array = text.trim();
    let is_list = matches!(shape, Shape::Commas | Shape::Words);
    if is_list
        && (array.starts_with("[\"") || array == "[]")
        && let Ok(items) = serde_json::from_str(array)
    {
        return items;
    }
    let trimmed = |items: &mut dyn Iterator<Item = &str>| {
        items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    match shape {
        Shape::Commas => trimmed(&mut text.split(',')),
        Shape::Words => trimmed(&mut text.split_whitespace()),
        Shape::Tables => match serde_json::from_str(text) {
            Ok(serde_json::Value::Array(tables)) => tables.iter().map(ToString::to_string).collect(),
            // What is no object is told apart where it is read.
            _ => vec![text.to_owned()],
        },
        Shape::One | Shape::Switch => vec![text.to_owned()],
    }
}

/// Variables that begin like ours but set nothing: a typing error is better told than ignored.
///
/// Kubernetes gives every pod variables made from the names of services; those of a service called `fjmcp-broker` are not meant for us.
pub(crate) fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let known = |name: &str| {
        name == "FJMCP_BROKER_CONFIG"
            || ALL.iter().any(|setting| {
                name == setting.variable()
                    || (setting.may_come_from_file() && name == super::setting::variable(&setting.file_name()))
            })
    };
    let from_kubernetes = |rest: &str| rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    names.filter(|name| name.strip_prefix(PREFIX).is_some_and(|rest| !from_kubernetes(rest)) && !known(name)).collect()
}
