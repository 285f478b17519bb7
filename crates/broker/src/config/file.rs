//! The optional configuration file: TOML, one key per setting, unknown keys refused with their line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Fault, Problem};
use super::raw::{Source, split_list};
use super::setting::{Secrecy, Setting, Shape};
use super::settings::ALL;

/// What a configuration file says.
#[derive(Default)]
pub(crate) struct FileValues {
    path: PathBuf,
    values: BTreeMap<String, (Vec<String>, usize)>,
    pub(crate) problems: Vec<Problem>,
}

// === impl FileValues ===

impl FileValues {
    /// Reads a configuration file.
    pub(crate) fn read(path: &Path, named_by: &str) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) => Self {
                path: path.to_owned(),
                problems: vec![Problem {
                    setting: "config".to_owned(),
                    source: Some(named_by.to_owned()),
                    wrong: format!("cannot read {}: {error}", path.display()),
                    remedy: "name a readable TOML file, or none".to_owned(),
                }],
                ..Self::default()
            },
        }
    }

    /// Parses the text of a configuration file.
    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                file.complain("config", line, format!("not TOML: {}", error.message()), "correct the line");
                return file;
            }
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let (name, line) = (key.get_ref().as_ref(), line_of(text, key.span().start));
            let Some((setting, names_file)) = setting_of(name) else {
                file.complain(name, line, "there is no such setting", &suggestion(name));
                continue;
            };
            let items = if names_file { text_of(value).map(|path| vec![path]) } else { items_of(setting, value) };
            match items {
                Ok(items) => {
                    file.values.insert(name.to_owned(), (items, line));
                }
                Err(fault) => file.complain(name, line, fault.wrong, &fault.remedy),
            }
        }
        file
    }

    /// What the file says under a key, and where.
    pub(crate) fn get(&self, name: &str) -> Option<(Vec<String>, Source)> {
        let (items, line) = self.values.get(name)?;
        Some((items.clone(), Source::File { path: self.path.clone(), line: *line }))
    }

    fn complain(&mut self, setting: &str, line: usize, wrong: impl Into<String>, remedy: &str) {
        self.problems.push(Problem {
            setting: setting.to_owned(),
            source: Some(Source::File { path: self.path.clone(), line }.to_string()),
            wrong: wrong.into(),
            remedy: remedy.to_owned(),
        });
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

fn setting_of(key: &str) -> Option<(&'static Setting, bool)> {
    ALL.iter().find_map(|&setting| match key {
        _ if key == setting.name => Some((setting, false)),
        _ if setting.may_come_from_file() && key == setting.file_name() => Some((setting, true)),
        _ => None,
    })
}

/// Names the setting that was probably meant.
fn suggestion(key: &str) -> String {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    match ALL.iter().find(|setting| plain(setting.name) == plain(key)) {
        Some(setting) => format!("write {}", setting.name),
        None => "remove the key; `fjmcp-broker config --reference` lists all settings".to_owned(),
    }
}

fn items_of(setting: &Setting, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Fault> {
    match (setting.shape, value.get_ref()) {
        (Shape::Tables, DeValue::Array(items)) => items.iter().map(|item| Ok(json_of(item)?.to_string())).collect(),
        (Shape::Tables, _) => {
            Err(Fault::new("a list of tables is expected", format!("write [[{}]] and its keys below", setting.name)))
        }
        (Shape::Commas | Shape::Words, DeValue::Array(items)) => items.iter().map(text_of).collect(),
        (Shape::Commas | Shape::Words, DeValue::Table(table)) if setting.placeholder == "NAME=VALUE" => {
            table.iter().map(|(name, value)| Ok(format!("{}={}", name.get_ref(), text_of(value)?))).collect()
        }
        (Shape::Commas | Shape::Words, DeValue::String(text)) if setting.secrecy == Secrecy::Secret => {
            Ok(split_list(setting.shape, text))
        }
        (Shape::Commas | Shape::Words, DeValue::String(_)) => {
            Err(Fault::new("a list is expected", format!("write an array: {} = [\"…\"]", setting.name)))
        }
        _ => text_of(value).map(|text| vec![text]),
    }
}

/// The part of TOML that tables of ours have.
fn json_of(value: &Spanned<DeValue<'_>>) -> Result<Value, Fault> {
    Ok(match value.get_ref() {
        DeValue::Table(table) => {
            let member = |(name, value): (&Spanned<_>, _)| {
                Ok((String::from(AsRef::<str>::as_ref(name.get_ref())), json_of(value)?))
            };
            Value::Object(table.iter().map(member).collect::<Result<_, Fault>>()?)
        }
        DeValue::Array(items) => Value::Array(items.iter().map(json_of).collect::<Result<_, _>>()?),
        _ => Value::String(text_of(value)?),
    })
}

fn text_of(value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Boolean(value) => Ok(value.to_string()),
        other => Err(Fault::new(format!("a text is expected, not {}", other.type_str()), "write the value in quotes")),
    }
}
