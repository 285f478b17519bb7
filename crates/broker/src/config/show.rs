//! The effective configuration as text: what `fjmcp-broker config` prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::Value;

use super::raw::{RawValue, RawValues, Source};
use super::secret_url::mask;
use super::setting::{Fallback, Secrecy, Setting, Shape};
use super::settings::ALL;

const MASK: &str = "***";

/// A TOML file that sets the same, but for the secrets. Each line says where its value came from.
pub(super) fn to_toml(raw: &RawValues, computed: &BTreeMap<&'static str, Vec<String>>) -> String {
    let mut text = String::from("# Effective configuration of fjmcp-broker. Secrets are masked.\n");
    let mut group = "";
    for setting in ALL {
        if setting.group != group {
            group = setting.group;
            let _ = write!(text, "\n# {group}\n");
        }
        let line = match (raw.get(setting), computed.get(setting.name)) {
            (Some(value), _) => line(setting, value),
            (None, Some(items)) => {
                line(setting, &RawValue { items: items.clone(), source: Source::Computed, read_from: None })
            }
            (None, None) => match setting.default {
                Fallback::Required => format!("# {} is not set but required", setting.name),
                _ => format!("# {} is not set: {}", setting.name, setting.default_text()),
            },
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn line(setting: &Setting, value: &RawValue) -> String {
    let mut items = value.items.iter().map(|item| shown(setting, item));
    let shown = if setting.shape == Shape::Tables {
        Value::Array(value.items.iter().map(|item| masked_table(item)).collect())
    } else if setting.is_list() {
        Value::Array(items.map(|item| item.map_or(Value::String(MASK.to_owned()), Value::String)).collect())
    } else {
        Value::String(items.next_back().flatten().unwrap_or_else(|| MASK.to_owned()))
    };
    let shown = match (&shown, setting.shape) {
        (Value::String(text), Shape::Switch) if text == "true" || text == "false" => text.clone(),
        _ => shown.to_string(),
    };
    format!("{} = {shown}  # {}", setting.name, value.origin().replace(char::is_control, "?"))
}

/// A table without its secret; nothing at all of what is no table.
fn masked_table(json: &str) -> Value {
    let Ok(mut table) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) else {
        return Value::String(MASK.to_owned());
    };
    if let Some(secret) = table.get_mut("secret") {
        *secret = MASK.into();
    }
    Value::try_from(table).unwrap_or_else(|_| Value::String(MASK.to_owned()))
}

/// The part of a value that may be seen.
fn shown(setting: &Setting, item: &str) -> Option<String> {
    match setting.secrecy {
        // Nobody should write a password into such a URL, but somebody will, and then it is refused, not shown.
        Secrecy::Open if setting.placeholder == "URL" => Some(mask(item)),
        Secrecy::Open => Some(item.to_owned()),
        Secrecy::Secret | Secrecy::Members => None,
        Secrecy::Url => Some(mask(item)),
        Secrecy::Values => item.split_once('=').map(|(name, _)| format!("{name}={MASK}")),
    }
}
