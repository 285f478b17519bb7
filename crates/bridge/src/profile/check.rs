//! What a profile may not say.
//!
//! The worker's only way to Forgejo is the gateway, and the capability is its only secret. A profile must not open another
//! way by accident: an inherited `GITEA_ACCESS_TOKEN` that a program falls back to, a proxy that would see the
//! capability, a `--token` that would win over the variable, or file uploads from the broker's machine.

use std::collections::BTreeSet;

use super::WorkerProfile;

/// One thing that is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileProblem {
    /// There is no program to start.
    #[error("worker profile {profile}: no command; set worker-command to the program's path")]
    NoCommand {
        /// The profile.
        profile: String,
    },
    /// The name can't be that of a variable.
    #[error("worker profile {profile}: {name:?} can't be the name of a variable")]
    BadName {
        /// The profile.
        profile: String,
        /// The name.
        name: String,
    },
    /// The variable is set in more than one way.
    #[error("worker profile {profile}: {name} is set twice; remove it from env, passthrough or the token variables")]
    SetTwice {
        /// The profile.
        profile: String,
        /// The variable.
        name: String,
    },
    /// The variable would take the worker past the gateway, or the broker's secrets into the worker.
    #[error("worker profile {profile}: {name} is never given to a worker: {reason}")]
    Forbidden {
        /// The profile.
        profile: String,
        /// The variable.
        name: String,
        /// What it would do.
        reason: &'static str,
    },
    /// The argument would replace the URL or the token that the broker gives.
    #[error(
        "worker profile {profile}: argument {argument} would win over the variable that the broker sets; remove it"
    )]
    Argument {
        /// The profile.
        profile: String,
        /// The argument's name, without its value.
        argument: String,
    },
    /// A value that no process can be given.
    #[error("worker profile {profile}: {place} contains a NUL character")]
    Nul {
        /// The profile.
        profile: String,
        /// Where.
        place: String,
    },
}

pub(super) fn problems(profile: &WorkerProfile) -> Vec<ProfileProblem> {
    let mut found = Vec::new();
    let name_of_profile = || profile.name.clone();
    if profile.command.is_empty() {
        found.push(ProfileProblem::NoCommand { profile: name_of_profile() });
    }

    let tokens = profile.extra_token_vars.iter().map(|var| &var.name);
    let ours = [&profile.url_var, &profile.token_var].into_iter().chain(tokens);
    let mut seen = BTreeSet::new();
    for name in ours.chain(profile.env.keys()).chain(&profile.passthrough) {
        if name.is_empty() || name.contains(['=', '\0']) {
            found.push(ProfileProblem::BadName { profile: name_of_profile(), name: name.clone() });
        } else if !seen.insert(name) {
            found.push(ProfileProblem::SetTwice { profile: name_of_profile(), name: name.clone() });
        }
    }

    let forbidden =
        |name: &String, reason| ProfileProblem::Forbidden { profile: name_of_profile(), name: name.clone(), reason };
    for name in profile.env.keys().chain(&profile.passthrough) {
        if let Some(reason) = never(name) {
            found.push(forbidden(name, reason));
        }
    }
    for name in &profile.passthrough {
        if let Some(reason) = never_inherited(name) {
            found.push(forbidden(name, reason));
        }
    }

    for argument in &profile.args {
        let flag = argument.split('=').next().unwrap_or_default();
        if ["-token", "--token", "-url", "--url"].contains(&flag) {
            found.push(ProfileProblem::Argument { profile: name_of_profile(), argument: flag.to_owned() });
        }
    }

    let values = profile.env.iter().map(|(name, value)| (format!("the value of {name}"), value));
    let arguments = profile.args.iter().map(|argument| ("an argument".to_owned(), argument));
    let command = [("the command".to_owned(), &profile.command)];
    for (place, text) in values.chain(arguments).chain(command) {
        if text.contains('\0') {
            found.push(ProfileProblem::Nul { profile: name_of_profile(), place });
        }
    }
    found
}

/// Variables that are wrong whoever sets them.
fn never(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    match upper.as_str() {
        "FORGEJO_MCP_ALLOW_FILE_PATH_UPLOAD" | "FORGEJO_MCP_UPLOAD_ROOT" | "FORGEJO_UPLOAD_ROOT" => {
            Some("it lets a model upload files of the broker's machine")
        }
        "FORGEJO_MIRROR_TOKEN" | "FORGEJO_MIGRATE_TOKEN" => Some("a worker holds no secret but its capability"),
        "NO_PROXY" => None,
        _ if upper.ends_with("_PROXY") => Some("a proxy would stand between the worker and the gateway"),
        _ if upper.starts_with("FJMCP_BROKER_") => Some("it is the broker's own configuration"),
        _ => None,
    }
}

/// Variables that may be set on purpose but not come along by accident.
fn never_inherited(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    (upper.starts_with("FORGEJO_") || upper.starts_with("GITEA_"))
        .then_some("the program could take another server or token from it; set it under env if it is meant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Preset;

    fn problem_texts(change: impl FnOnce(&mut WorkerProfile)) -> Vec<String> {
        let mut profile = Preset::ForgejoMcp.profile();
        change(&mut profile);
        profile.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn inherited_forge_variables_are_refused() {
        for name in ["GITEA_ACCESS_TOKEN", "FORGEJO_USER_AGENT", "gitea_host"] {
            let texts = problem_texts(|profile| profile.passthrough.push(name.into()));
            assert_eq!(texts.len(), 1, "{name}: {texts:?}");
            assert!(texts[0].contains(name));
        }
    }

    #[test]
    fn proxies_uploads_and_the_brokers_settings_are_refused_in_every_way() {
        for name in [
            "HTTP_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "FORGEJO_MCP_ALLOW_FILE_PATH_UPLOAD",
            "FORGEJO_UPLOAD_ROOT",
            "FJMCP_BROKER_ENCRYPTION_KEY",
        ] {
            assert_ne!(problem_texts(|profile| profile.passthrough.push(name.into())), [""; 0], "{name}");
            let fixed = problem_texts(|profile| {
                profile.env.insert(name.into(), "1".into());
            });
            assert_eq!(fixed.len(), 1, "{name}: {fixed:?}");
        }
    }

    #[test]
    fn a_fixed_forge_variable_is_allowed() {
        let texts = problem_texts(|profile| {
            profile.env.insert("FORGEJO_USER_AGENT".into(), "broker".into());
        });
        assert_eq!(texts, [""; 0]);
    }

    #[test]
    fn an_argument_that_carries_url_or_token_is_refused_without_repeating_its_value() {
        for argument in ["--token=s3cret", "-token", "--url", "-url=https://forge.example"] {
            let texts = problem_texts(|profile| profile.args.push(argument.into()));
            assert_eq!(texts.len(), 1, "{argument}");
            assert!(!texts[0].contains("s3cret") && !texts[0].contains("forge.example"), "{texts:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let texts = problem_texts(|profile| {
            profile.command.clear();
            profile.passthrough = vec!["FORGEJO_URL".into(), "A=B".into()];
            profile.args = vec!["a\0b".into()];
        });
        for part in ["no command", "FORGEJO_URL is set twice", "never given", "\"A=B\"", "NUL"] {
            assert!(texts.iter().any(|text| text.contains(part)), "{part} missing in {texts:?}");
        }
    }

    #[test]
    fn values_of_variables_stay_out_of_debug_output() {
        let mut profile = Preset::Custom.profile();
        profile.env.insert("NAME".into(), "hush".into());
        let text = format!("{profile:?}");
        assert!(text.contains("NAME") && !text.contains("hush"));
    }
}
