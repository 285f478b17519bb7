//! Reads typed values out of raw ones and collects every problem on the way.

use std::collections::BTreeMap;

use super::problem::{Fault, Problem};
use super::raw::{RawValue, RawValues, Source};
use super::setting::Setting;

/// One pass over the raw values. A method that answers `None` for a bad value has noted the problem.
pub(super) struct Reader<'a> {
    raw: &'a RawValues,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    /// What computed defaults came to, for `fjmcp-broker config`.
    pub(super) computed: BTreeMap<&'static str, Vec<String>>,
}

/// The value is bad and the problem is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted;

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(raw: &'a RawValues) -> Self {
        Self { raw, problems: raw.problems.clone(), warnings: Vec::new(), computed: BTreeMap::new() }
    }

    /// A setting that must be there, by itself or by its default.
    pub(super) fn required<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<T> {
        if self.raw.get(setting).is_none() {
            self.missing(setting);
            return None;
        }
        self.optional(setting, parse).ok()?
    }

    /// A setting that may be unset, which is `None`.
    pub(super) fn optional<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Result<Option<T>, Noted> {
        let Some(value) = self.raw.get(setting) else {
            return Ok(None);
        };
        // A file that could not be read has left no item, and its problem is noted already.
        let text = value.items.last().ok_or(Noted)?;
        if text.is_empty() {
            self.fault(setting, Fault::new("the value is empty", "give a value, or remove the setting"));
            return Err(Noted);
        }
        match parse(text) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(fault) => {
                self.fault(setting, fault);
                Err(Noted)
            }
        }
    }

    /// All items of a list; empty if unset. Each bad item is a problem of its own.
    pub(super) fn list<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<T>> {
        let items = self.raw.get(setting).map(|value| value.items.clone()).unwrap_or_default();
        let number = items.len();
        let mut parsed = Vec::with_capacity(number);
        for item in items {
            match parse(&item) {
                Ok(item) => parsed.push(item),
                Err(fault) => self.fault(setting, fault),
            }
        }
        (parsed.len() == number).then_some(parsed)
    }

    /// Whether anybody set it; a default does not count.
    pub(super) fn is_set(&self, setting: &Setting) -> bool {
        self.raw.get(setting).is_some_and(|value| value.source != Source::Default)
    }

    /// Notes a problem of a setting's value.
    pub(super) fn fault(&mut self, setting: &Setting, fault: Fault) {
        self.problems.push(Problem {
            setting: setting.name.to_owned(),
            source: self.raw.get(setting).map(RawValue::origin),
            wrong: fault.wrong,
            remedy: fault.remedy,
        });
    }

    /// Notes that a required setting is not set.
    pub(super) fn missing(&mut self, setting: &Setting) {
        let file = if setting.may_come_from_file() {
            format!(" or, in a file, {}_FILE", setting.variable())
        } else {
            String::new()
        };
        let remedy = format!("set --{} or {}{file}. {}", setting.name, setting.variable(), setting.doc);
        self.fault(setting, Fault::new("not set", remedy));
    }
}
