//! The worker's settings, checked as the profile that comes of them.

use std::ffi::OsStr;
use std::path::PathBuf;

use bridge::cage::Rung;
use bridge::profile::{Preset, UnknownPreset, WorkerEra, WorkerProfile};
use bridge::spawn::find_program;
use secrecy::{ExposeSecret as _, SecretString};

use super::build::truth;
use super::problem::{Fault, Problem, Problems};
use super::reader::Reader;
use super::settings as s;
use super::{CageMode, WorkerConfig};

pub(super) fn worker(reader: &mut Reader<'_>) -> Option<WorkerConfig> {
    let profile = reader.required(&s::WORKER_PROFILE, |text| match text.parse::<Preset>() {
        Ok(preset) => Ok(preset.as_str().to_owned()),
        Err(error) => Err(Fault::new(error.to_string(), "choose one of these")),
    });
    let command = reader.optional(&s::WORKER_COMMAND, |text| Ok(text.to_owned()));
    let args = reader.list(&s::WORKER_ARGS, |text| Ok(text.to_owned()));
    let env = reader.list(&s::WORKER_ENV, assignment);
    let url_var = reader.optional(&s::WORKER_URL_VAR, variable_name);
    let token_var = reader.optional(&s::WORKER_TOKEN_VAR, variable_name);
    let era = reader.optional(&s::WORKER_ERA, |text| match text {
        "auto" => Ok(WorkerEra::Auto),
        "legacy" => Ok(WorkerEra::Legacy),
        "modern" => Ok(WorkerEra::Modern),
        _ => Err(Fault::new(format!("`{text}` is unknown"), "choose auto, legacy or modern")),
    });
    let cage = reader.required(&s::WORKER_CAGE, |text| match text {
        "required" => Ok(CageMode::Required),
        "auto" => Ok(CageMode::Auto),
        "off" => Ok(CageMode::Off),
        _ => Err(Fault::new(format!("`{text}` is unknown"), "choose required, auto or off")),
    });
    let highest_rung = reader.required(&s::WORKER_CAGE_MAX_RUNG, |text| match text {
        "1" => Ok(Rung::Basic),
        "2" => Ok(Rung::Sealed),
        "3" => Ok(Rung::Apart),
        _ => Err(Fault::new(format!("`{text}` is no rung"), "choose 1, 2 or 3")),
    });
    let allowed_paths = reader.list(&s::WORKER_ALLOWED_PATHS, |text| {
        let path = PathBuf::from(text);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(Fault::new(format!("`{text}` is relative"), "give the full path"))
        }
    });
    let may_fork = reader.required(&s::WORKER_MAY_FORK, truth);
    let config = WorkerConfig {
        profile: profile?,
        command: command.ok()?,
        args: args?,
        env: env?,
        url_var: url_var.ok()?,
        token_var: token_var.ok()?,
        era: era.ok()?,
        cage: cage?,
        highest_rung: highest_rung?,
        allowed_paths: allowed_paths?,
        may_fork: may_fork?,
    };
    let problems = config.to_profile().map(|profile| profile.problems()).unwrap_or_default();
    for problem in &problems {
        reader.fault(&s::WORKER_PROFILE, Fault::new(problem.to_string(), "change the worker-… settings"));
    }
    problems.is_empty().then_some(config)
}

// === impl WorkerConfig ===

impl WorkerConfig {
    /// The profile with the operator's changes in it.
    pub fn to_profile(&self) -> Result<WorkerProfile, UnknownPreset> {
        let mut profile = self.profile.parse::<Preset>()?.profile();
        if let Some(command) = &self.command {
            profile.command.clone_from(command);
        }
        profile.args.extend(self.args.iter().cloned());
        profile.env.extend(self.env.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())));
        profile.allowed_paths.extend(self.allowed_paths.iter().cloned());
        profile.may_fork |= self.may_fork;
        if let Some(name) = &self.url_var {
            profile.url_var.clone_from(name);
        }
        if let Some(name) = &self.token_var {
            profile.token_var.clone_from(name);
        }
        if let Some(era) = self.era {
            profile.era = era;
        }
        Ok(profile)
    }
}

impl WorkerConfig {
    /// Looks for the program as a start will; `search` is a `PATH`. Not part of reading the configuration, because other commands do
    /// without the program.
    pub fn find_program(&self, search: Option<&OsStr>) -> Result<PathBuf, Problems> {
        let command = self.to_profile().map(|profile| profile.command).unwrap_or_default();
        find_program(&command, search).map_err(|reason| {
            Problems(vec![Problem {
                setting: s::WORKER_COMMAND.name.to_owned(),
                source: None,
                wrong: format!("cannot start the worker program {command}: {reason}"),
                remedy: "install it, or name it by its full path".to_owned(),
            }])
        })
    }
}

fn variable_name(text: &str) -> Result<String, Fault> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.chars().all(good) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err(Fault::new("not the name of a variable", "use letters, digits and underscores, no digit first"))
}

fn assignment(text: &str) -> Result<(String, SecretString), Fault> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| Fault::new("an item is not NAME=VALUE", "write NAME=VALUE"))?;
    Ok((variable_name(name)?, SecretString::from(value)))
}
