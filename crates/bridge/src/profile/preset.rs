//! The programs whose names and habits we know.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::json;

use super::{RepeatCall, TokenVar, ToolMarks, WorkerEra, WorkerProfile};

/// A known program, or `custom` for any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The Go program `forgejo-mcp`, the product's default.
    ForgejoMcp,
    /// The Rust program `forgejo-mcp-rs`.
    ForgejoMcpRs,
    /// `gitea-mcp` from npm.
    GiteaMcpNpm,
    /// `gitea-mcp` from `PyPI`.
    GiteaMcpPython,
    /// `gitea-toolkit-mcp` from `PyPI`.
    GiteaToolkitMcp,
    /// Any other program: the command has to be configured, and the variables if they are not forgejo-mcp's.
    Custom,
}

/// No preset has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown worker profile {name:?}; known are {}", Preset::ALL.map(Preset::as_str).join(", "))]
pub struct UnknownPreset {
    /// The name that was given.
    pub name: String,
}

// === impl Preset ===

impl Preset {
    /// All presets, in the order in which they are documented.
    pub const ALL: [Self; 6] = [
        Self::ForgejoMcp,
        Self::ForgejoMcpRs,
        Self::GiteaMcpNpm,
        Self::GiteaMcpPython,
        Self::GiteaToolkitMcp,
        Self::Custom,
    ];

    /// The name that an operator writes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForgejoMcp => "forgejo-mcp",
            Self::ForgejoMcpRs => "forgejo-mcp-rs",
            Self::GiteaMcpNpm => "gitea-mcp-npm",
            Self::GiteaMcpPython => "gitea-mcp-python",
            Self::GiteaToolkitMcp => "gitea-toolkit-mcp",
            Self::Custom => "custom",
        }
    }

    /// The profile as data, to be used as it is or changed first.
    #[must_use]
    pub fn profile(self) -> WorkerProfile {
        match self {
            Self::ForgejoMcp => WorkerProfile {
                args: vec!["--transport".into(), "stdio".into()],
                ..bare(self, "forgejo-mcp", "FORGEJO_URL", "FORGEJO_ACCESS_TOKEN")
            },
            Self::ForgejoMcpRs => forgejo_mcp_rs(),
            // Its file begins with `#!/usr/bin/env node`, which looks for node in PATH.
            Self::GiteaMcpNpm => WorkerProfile {
                passthrough: vec!["PATH".into()],
                ..bare(self, "gitea-mcp", "GITEA_HOST", "GITEA_ACCESS_TOKEN")
            },
            Self::GiteaMcpPython => gitea_mcp_python(),
            Self::GiteaToolkitMcp => python(bare(self, "gitea-toolkit-mcp", "GITEA_SERVER_URL", "GITEA_TOKEN")),
            Self::Custom => bare(self, "", "FORGEJO_URL", "FORGEJO_ACCESS_TOKEN"),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.as_str() == name)
            .ok_or_else(|| UnknownPreset { name: name.to_owned() })
    }
}

fn bare(preset: Preset, command: &str, url_var: &str, token_var: &str) -> WorkerProfile {
    let era = match preset {
        Preset::ForgejoMcp | Preset::GiteaMcpNpm | Preset::GiteaMcpPython => WorkerEra::Legacy,
        Preset::ForgejoMcpRs | Preset::GiteaToolkitMcp | Preset::Custom => WorkerEra::Auto,
    };
    WorkerProfile {
        name: preset.as_str().to_owned(),
        command: command.to_owned(),
        args: Vec::new(),
        url_var: url_var.to_owned(),
        token_var: token_var.to_owned(),
        extra_token_vars: Vec::new(),
        env: BTreeMap::new(),
        passthrough: Vec::new(),
        allowed_paths: Vec::new(),
        may_fork: false,
        repeat_calls: Vec::new(),
        era,
        tools: tools(preset),
    }
}

/// forgejo-mcp annotates every tool as one that writes and destroys, which is the default of its library and tells nothing; its names are
/// regular. forgejo-mcp-rs and the Python gitea-mcp annotate with care. Of programs that are not known an annotation is believed, because the
/// gateway refuses the writes of one that lies. None of the Gitea programs has a tool that reaches a closed door.
fn tools(preset: Preset) -> ToolMarks {
    let patterns = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    let door = |group: &str, names: &[&str]| (group.to_owned(), patterns(names));
    let regular = patterns(&["get_*", "list_*", "search_*", "check_*", "download_*"]);
    match preset {
        Preset::ForgejoMcp => ToolMarks {
            reads: regular,
            trust_annotations: false,
            doors: BTreeMap::from([door("hooks", &["*_hook", "*_hooks"])]),
        },
        Preset::ForgejoMcpRs => ToolMarks {
            reads: regular,
            trust_annotations: true,
            doors: BTreeMap::from([
                door("user-keys", &["list_keys"]),
                door("push-mirrors", &["*_push_mirror", "*_push_mirrors"]),
                door("migrate", &["migrate_repo"]),
            ]),
        },
        // Each name begins with what the tool is about.
        Preset::GiteaMcpNpm => ToolMarks {
            reads: patterns(&["*__get*", "*__list*", "issue__search_list", "issue__comment_list"]),
            trust_annotations: true,
            doors: BTreeMap::new(),
        },
        Preset::GiteaMcpPython | Preset::GiteaToolkitMcp | Preset::Custom => {
            ToolMarks { reads: regular, trust_annotations: true, doors: BTreeMap::new() }
        }
    }
}

/// It has a read token and a write token, refuses to start if they are equal, and refuses its write tools outside of a
/// window of at most 60 minutes that `enable_write_mode` opens and every write prolongs. What a grant may do is the
/// gateway's decision, so every worker begins with the longest window; when it has passed, the tool's error tells the model
/// to call `enable_write_mode`. Naming the flavour saves the program a request that would find it out.
fn forgejo_mcp_rs() -> WorkerProfile {
    WorkerProfile {
        extra_token_vars: vec![TokenVar { name: "FORGEJO_TOKEN_WRITE".into(), distinct: true }],
        env: BTreeMap::from([
            ("FORGEJO_FLAVOR".into(), "forgejo".into()),
            ("FORGEJO_WRITE_MINUTES".into(), "60".into()),
        ]),
        repeat_calls: vec![RepeatCall {
            method: "tools/call".into(),
            params: json!({"name": "enable_write_mode", "arguments": {"minutes": 60}}),
        }],
        ..bare(Preset::ForgejoMcpRs, "forgejo-mcp-rs", "FORGEJO_URL", "FORGEJO_TOKEN")
    }
}

/// Python takes its text encoding from the locale, of which a clean environment has none, and writes compiled modules beside
/// the sources if it can.
fn python(profile: WorkerProfile) -> WorkerProfile {
    WorkerProfile {
        env: BTreeMap::from([("PYTHONUTF8".into(), "1".into()), ("PYTHONDONTWRITEBYTECODE".into(), "1".into())]),
        ..profile
    }
}

/// Its framework wants to know a home directory, asks the internet for newer versions of itself, and prints a banner.
fn gitea_mcp_python() -> WorkerProfile {
    let mut profile = python(bare(Preset::GiteaMcpPython, "gitea-mcp", "GITEA_URL", "GITEA_TOKEN"));
    let settings =
        [("HOME", "/nonexistent"), ("FASTMCP_CHECK_FOR_UPDATES", "off"), ("FASTMCP_SHOW_CLI_BANNER", "false")];
    profile.env.extend(settings.map(|(name, value)| (name.into(), value.into())));
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_found_by_its_name_and_has_no_problem_once_it_has_a_command() {
        for preset in Preset::ALL {
            assert_eq!(preset.as_str().parse::<Preset>(), Ok(preset));
            let mut profile = preset.profile();
            if preset == Preset::Custom {
                profile.command = "/opt/server".into();
            }
            assert_eq!(profile.problems(), [], "{preset}");
        }
    }

    #[test]
    fn an_unknown_preset_is_answered_with_the_known_ones() {
        let text = "forgejo".parse::<Preset>().unwrap_err().to_string();
        assert!(text.contains("\"forgejo\"") && text.contains("forgejo-mcp-rs") && text.contains("custom"), "{text}");
    }

    #[test]
    fn a_profile_survives_being_written_and_read() {
        let profile = Preset::ForgejoMcpRs.profile();
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<WorkerProfile>(&text).unwrap(), profile);
    }
}
