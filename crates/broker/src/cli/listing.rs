//! Lists of things, as a table for people or as JSON for programs. Both are made from the same JSON objects.
//!
//! What is listed was partly written by strangers. Neither form lets a character through that steers a terminal, turns the direction
//! of writing, or is not seen: it is shown as its number.

use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use super::exit::Failure;
use crate::display::{visible, visible_json};

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
        Value::String(text) => visible(text).into_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => visible(&other.to_string()).into_owned(),
    }
}

fn json_text(value: &Value) -> String {
    visible_json(serde_json::to_string_pretty(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_names_are_cut_and_ids_are_not() {
        let long = json!("x".repeat(300));
        assert_eq!(cell("name", &long).chars().count(), LONGEST);
        assert_eq!(cell("id", &long).len(), 300);
    }
}
