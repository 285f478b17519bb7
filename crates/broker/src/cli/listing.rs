//! Lists of things, as a table for people or as JSON for programs. Both are made from the same JSON objects.
//!
//! What is listed was partly written by strangers. Neither form lets a character through that steers a terminal, turns the direction
//! of writing, or is not seen: it is shown as its number.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use super::exit::Failure;
use crate::pages::is_deceptive;

/// A column of a table: heading and member.
pub(super) type Column = (&'static str, &'static str);

/// Longest name shown in a table, in characters. Ids are always shown whole.
const LONGEST: usize = 60;

/// Prints objects as a table of some of their members, or whole as JSON.
pub(super) fn print(objects: &[Value], columns: &[Column], json: bool) -> Result<(), Failure> {
    if json {
        return super::print(&format!("{}\n", json_text(&Value::Array(objects.to_vec()))));
    }
    if objects.is_empty() {
        return super::print("nothing is there\n");
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for object in objects {
        table.add_row(columns.iter().map(|(_, member)| cell(member, &object[*member])));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    super::print(&format!("{}\n", lines.join("\n")))
}

/// Prints one object, all of it.
pub(super) fn show(object: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return super::print(&format!("{}\n", json_text(object)));
    }
    let members = object.as_object().into_iter().flatten();
    let width = object.as_object().into_iter().flatten().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> = members.map(|(name, value)| format!("{name:width$}  {}\n", text(value))).collect();
    super::print(&lines.concat())
}

fn cell(member: &str, value: &Value) -> String {
    let text = text(value);
    let is_id = member == "id" || member.ends_with("_id") || member == "client" || member == "grant";
    if is_id || text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => visible(text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => visible(&other.to_string()),
    }
}

/// A text in which every character is seen as what it is.
pub(super) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            seen.extend(c.escape_unicode());
        } else {
            seen.push(c);
        }
    }
    seen
}

/// The same for several lines.
pub(super) fn visible_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| line.strip_suffix('\n').map_or_else(|| visible(line), |line| visible(line) + "\n"))
        .collect()
}

/// The same as JSON: such characters stand in strings only, where their escape means the same.
fn json_text(value: &Value) -> String {
    let plain = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut safe = String::with_capacity(plain.len());
    for c in plain.chars() {
        if c == '\n' || !is_deceptive(c) {
            safe.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}1mb\u{202e}cod\r\n\u{200b}\u{e0041}";

    #[test]
    fn no_character_that_deceives_reaches_a_terminal() {
        let seen = visible(HOSTILE);
        assert!(!seen.chars().any(is_deceptive), "{seen:?}");
        assert!(seen.contains("\\u{1b}[2J") && seen.contains("\\u{202e}cod"), "{seen}");
        assert_eq!(visible("Gérard’s エージェント 🦊"), "Gérard’s エージェント 🦊");
    }

    #[test]
    fn json_says_the_same_without_such_characters() {
        let value = json!({"name": HOSTILE});
        let text = json_text(&value);
        assert!(!text.chars().any(|c| c != '\n' && is_deceptive(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn long_names_are_cut_and_ids_are_not() {
        let long = json!("x".repeat(300));
        assert_eq!(cell("name", &long).chars().count(), LONGEST);
        assert_eq!(cell("id", &long).len(), 300);
    }
}
