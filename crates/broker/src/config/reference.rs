//! The configuration reference, made from the table of settings.

use std::fmt::Write as _;

use super::setting::{Fallback, Secrecy, Setting, Shape};
use super::settings::ALL;

const HEAD: &str = "\
# Configuration

Each setting can be given as a flag, as a variable or as a key of an optional TOML file (`--config` or `FJMCP_BROKER_CONFIG`). A flag wins over a
variable, a variable over the file. An empty variable counts as unset. `fjmcp-broker config` prints what is in effect and where it came from.

- Durations are a number with its unit: `90s`, `15m`, `1h30m`, `30d`. Sizes are bytes, or a number with `KiB`, `MiB` or `GiB`.
- Lists: a flag is repeated; a variable separates items by commas (by white space where noted) or is a JSON array; the file has a TOML array.
- A change of a setting marked *live* takes effect at a reload (SIGHUP, `systemctl reload`), which reads the files again; any other needs a restart, and the log of the reload says so.
- A setting marked *secret* can also be read from a file: `--NAME-file`, `FJMCP_BROKER_NAME_FILE` or the key `NAME-file`. A list's file has one item per line.
- Under systemd a secret that is set nowhere nearer is read from the credential of its name (`LoadCredential=encryption-keys:/etc/…`).

<!-- Made by `fjmcp-broker config --reference`. -->
";

/// All settings as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut group = "";
    for setting in ALL {
        if setting.group != group {
            group = setting.group;
            let _ = write!(text, "\n## {group}\n\n| Setting | Variable | Default | Meaning |\n|---|---|---|---|\n");
        }
        let (name, variable) = (setting.name, setting.variable());
        let _ = writeln!(text, "| `{name}` | `{variable}` | {} | {} |", default(setting), meaning(setting));
    }
    text
}

fn default(setting: &Setting) -> String {
    match setting.default {
        Fallback::Required => "**required**".to_owned(),
        Fallback::Value(value) => format!("`{}`", escape(value)),
        Fallback::Unset(text) | Fallback::Computed(text) => escape(text),
    }
}

fn meaning(setting: &Setting) -> String {
    let mut text = escape(setting.doc);
    match setting.shape {
        Shape::Commas => text.push_str(" *List.*"),
        Shape::Words => text.push_str(" *List; white space separates items in the variable.*"),
        Shape::Tables => text.push_str(" *List of tables; a JSON array of objects in the variable.*"),
        Shape::One | Shape::Switch => {}
    }
    if setting.live {
        text.push_str(" *Live.*");
    }
    if setting.secrecy != Secrecy::Open {
        text.push_str(" *Secret.*");
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
