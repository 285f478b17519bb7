//! tools/list: the tools that work, padded to the measured size with the names of those that do not.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::go;
use crate::options::Options;
use crate::output::Answer;
use crate::tools::{self, Parameter, Tool};

/// The annotations that mcp-go gives to every tool.
const ANNOTATIONS: &str =
    r#"{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":false,"openWorldHint":true}"#;
const FILLER_SCHEMA: &str = r#"{"properties":{"owner":{"type":"string"},"repo":{"type":"string"}},"required":["owner","repo"],"type":"object"}"#;
/// The line around the tools of a one-page answer with a one-digit id, newline included.
const ENVELOPE: usize = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#.len() + 1;
const PROSE: &str = "This tool is listed for its size only and refuses every call. ";

/// What tools/list shows, by name.
pub(crate) struct Catalogue {
    entries: Mutex<BTreeMap<String, String>>,
    working: Vec<&'static Tool>,
    page_size: usize,
}

/// What a name stands for.
pub(crate) enum Found {
    /// A tool that works.
    Working(&'static Tool),
    /// A tool that is only listed.
    Listed,
    /// Nothing.
    Unknown,
}

// === impl Catalogue ===

impl Catalogue {
    /// Builds the list; reads the file of `--extra-tools`.
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let working = tools::offered(options);
        let mut entries: BTreeMap<String, String> = working
            .iter()
            .map(|tool| (tool.name.to_owned(), entry(tool.name, tool.about, &schema(tool.parameters))))
            .collect();
        if let Some(path) = &options.extra_tools {
            for name in fs::read_to_string(path)?.split_whitespace() {
                entries.insert(name.to_owned(), entry(name, "An extra tool", FILLER_SCHEMA));
            }
        }
        pad(&mut entries, options.habits.tool_names(), options.tool_list_size());
        Ok(Self { entries: Mutex::new(entries), working, page_size: options.page_size })
    }

    /// Adds a tool that is only listed.
    pub(crate) fn add(&self, name: &str) {
        self.lock().insert(name.to_owned(), entry(name, "A tool that appeared", FILLER_SCHEMA));
    }

    /// What a call of this name meets.
    pub(crate) fn find(&self, name: &str) -> Found {
        if let Some(tool) = self.working.iter().find(|tool| tool.name == name) {
            Found::Working(tool)
        } else if self.lock().contains_key(name) {
            Found::Listed
        } else {
            Found::Unknown
        }
    }

    /// One page. A cursor is the base64 of the last name of the page before, as in mcp-go.
    pub(crate) fn page(&self, cursor: Option<&str>) -> Answer {
        let after = match cursor.filter(|text| !text.is_empty()).map(|text| STANDARD.decode(text)) {
            None => String::new(),
            Some(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Err(_)) => return Answer::invalid_params("illegal base64 data at input byte 0"),
        };
        let entries = self.lock();
        let size = if self.page_size == 0 { usize::MAX } else { self.page_size };
        let rest: Vec<_> = entries.iter().filter(|(name, _)| after.is_empty() || **name > after).collect();
        let page = &rest[..rest.len().min(size)];
        let tools: Vec<&str> = page.iter().map(|(_, json)| json.as_str()).collect();
        let next = match page.last() {
            Some((name, _)) if rest.len() > page.len() => {
                format!(",\"nextCursor\":\"{}\"", STANDARD.encode(name))
            }
            _ => String::new(),
        };
        Answer::Result(format!("{{\"tools\":[{}]{next}}}", tools.join(",")))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds listed-only tools and description text until the one-page line has the wanted size.
fn pad(entries: &mut BTreeMap<String, String>, names: &str, target: usize) {
    let commas_and_entries: usize = entries.values().map(|json| json.len() + 1).sum();
    let mut room = (target + 1).saturating_sub(ENVELOPE + commas_and_entries);
    let mut fillers = Vec::new();
    for name in names.lines().filter(|name| !entries.contains_key(*name)) {
        let cost = entry(name, "", FILLER_SCHEMA).len() + 1;
        if cost > room {
            break;
        }
        room -= cost;
        fillers.push(name);
    }
    let count = fillers.len();
    for (index, name) in fillers.into_iter().enumerate() {
        let length = if index == 0 { room / count + room % count } else { room / count };
        let about: String = PROSE.chars().cycle().take(length).collect();
        entries.insert(name.to_owned(), entry(name, &about, FILLER_SCHEMA));
    }
}

fn entry(name: &str, about: &str, schema: &str) -> String {
    format!(
        r#"{{"annotations":{ANNOTATIONS},"description":{},"inputSchema":{schema},"name":{}}}"#,
        go::string(about),
        go::string(name)
    )
}

fn schema(parameters: &[Parameter]) -> String {
    let mut sorted: Vec<&Parameter> = parameters.iter().collect();
    sorted.sort_by_key(|Parameter(name, ..)| *name);
    let properties: Vec<String> =
        sorted.iter().map(|Parameter(name, kind, _)| format!("\"{name}\":{{\"type\":\"{kind}\"}}")).collect();
    let required: Vec<String> = parameters
        .iter()
        .filter(|Parameter(_, _, required)| *required)
        .map(|Parameter(name, ..)| format!("\"{name}\""))
        .collect();
    format!(r#"{{"properties":{{{}}},"required":[{}],"type":"object"}}"#, properties.join(","), required.join(","))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::habits::Habits;

    fn line(arguments: &[&str]) -> String {
        let options = Options::parse_from([&["fixture-child"], arguments].concat());
        match Catalogue::new(&options).unwrap().page(None) {
            Answer::Result(result) => {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}\n")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_list_has_the_measured_size_to_the_byte() {
        assert_eq!(line(&["--habits", "2.18.0"]).len(), 43_282);
        assert_eq!(line(&["--habits", "2.34.1"]).len(), 90_470);
        assert_eq!(line(&["--tool-list-bytes", "2000000"]).len(), 2_000_000);
    }

    #[test]
    fn the_list_is_json_and_sorted_by_name() {
        let message: serde_json::Value = serde_json::from_str(&line(&["--habits", "2.34.1"])).unwrap();
        let names: Vec<&str> =
            message["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert!(names.is_sorted());
        for real in Habits::V2_34_1.tool_names().lines() {
            assert!(names.contains(&real), "{real}");
        }
        assert!(names.contains(&"echo"));
    }

    #[test]
    fn only_the_newer_release_downloads_attachments() {
        assert!(!line(&["--habits", "2.18.0"]).contains("download_release_attachment"));
        assert!(line(&["--habits", "2.34.1"]).contains("download_release_attachment"));
        assert!(line(&["--habits", "2.18.0", "--downloads", "true"]).contains("download_release_attachment"));
    }

    #[test]
    fn size_zero_lists_working_tools_only() {
        assert!(!line(&["--tool-list-bytes", "0"]).contains("merge_pull_request"));
    }
}
