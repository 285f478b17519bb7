//! Brings flags, variables and file together.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use store::{Database, Server};

use super::file::FileValues;
use super::flags::FlagValues;
use super::problem::{Problem, Problems};
use super::raw::{Environment, RawValues, unknown_variables};
use super::reader::Reader;
use super::setting::{Setting, variable};
use super::worker::worker;
use super::{BaseUrl, Config, PublicUrl, SecretUrl, build, database as databases, settings, show};

/// A configuration with the places it came from. Not `Debug`: it holds secrets as they were written.
pub struct Loaded {
    raw: RawValues,
    computed: BTreeMap<&'static str, Vec<String>>,
    /// The configuration, or everything that is wrong with it.
    pub outcome: Result<Config, Problems>,
}

// === impl Loaded ===

impl Loaded {
    /// Remembers what `other` says of the settings that a reload changes; of the rest this still says what is in effect.
    pub(crate) fn take_live_from(&mut self, other: Self) {
        self.raw.take_from(other.raw, |setting| setting.live);
    }

    /// The configuration if a broker can start with it, the worker program included; else everything that is wrong. `search` is a `PATH`.
    ///
    /// # Errors
    /// All problems at once.
    pub fn startable(&self, search: Option<&OsStr>) -> Result<Config, Problems> {
        let worker = worker(&mut Reader::new(&self.raw));
        let missing = worker.and_then(|worker| worker.find_program(search).err());
        match (&self.outcome, missing) {
            (Ok(config), None) => Ok(config.clone()),
            (outcome, missing) => {
                let wrong = outcome.as_ref().err().cloned();
                Err(Problems(wrong.into_iter().chain(missing).flat_map(|problems| problems.0).collect()))
            }
        }
    }

    /// The effective configuration as a TOML file, secrets masked, each value with the place it came from.
    #[must_use]
    pub fn to_toml(&self) -> String {
        show::to_toml(&self.raw, &self.computed)
    }

    /// The files from which secrets were read, each with the name of its setting.
    #[must_use]
    pub fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        let secret = settings::ALL.iter().filter(|setting| setting.may_come_from_file());
        secret.filter_map(|setting| Some((setting.name, self.raw.get(setting)?.read_from.clone()?))).collect()
    }
}

/// Reads the configuration from its three sources. `names` are the names of all variables there are, to find misspelt ones.
#[must_use]
pub fn load(flags: &FlagValues, environment: Environment<'_>, names: impl Iterator<Item = String>) -> Loaded {
    let raw = RawValues::gather(flags, environment, &file(flags, environment));
    let mut reader = Reader::new(&raw);
    for name in unknown_variables(names) {
        reader.warnings.push(format!("the variable {name} sets nothing: there is no such setting"));
    }
    let config = build::build(&mut reader, environment);
    let Reader { problems, computed, .. } = reader;
    let outcome = match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(Problems(problems)),
    };
    Loaded { raw, computed, outcome }
}

/// Settings of which two configurations say different things, wherever they say it.
pub(crate) fn changed_settings(old: &Loaded, new: &Loaded) -> Vec<&'static Setting> {
    let items = |loaded: &Loaded, setting| loaded.raw.get(setting).map(|value| value.items.clone());
    settings::ALL.iter().copied().filter(|setting| items(old, setting) != items(new, setting)).collect()
}

/// Where the state is, for commands that need nothing else.
pub fn database(flags: &FlagValues, environment: Environment<'_>) -> Result<Database, Problems> {
    let raw = RawValues::gather(flags, environment, &file(flags, environment));
    let mut reader = Reader::new(&raw);
    let found = databases::database(&mut reader, environment);
    found
        .map(|(database, _)| database)
        .ok_or_else(|| Problems(reader.problems.into_iter().filter(is_about_the_database).collect()))
}

/// A PostgreSQL server by its URL, reached as the settings say.
pub fn server(url: &str, flags: &FlagValues, environment: Environment<'_>) -> Result<Server, Problems> {
    let raw = RawValues::gather(flags, environment, &file(flags, environment));
    let mut reader = Reader::new(&raw);
    let found = databases::server(&mut reader, url);
    found.ok_or_else(|| Problems(reader.problems.into_iter().filter(is_about_the_database).collect()))
}

fn is_about_the_database(problem: &Problem) -> bool {
    databases::SETTINGS.iter().any(|setting| setting.name == problem.setting)
}

/// Where the broker listens according to the same sources, for commands that need nothing else.
pub fn listen_address(flags: &FlagValues, environment: Environment<'_>) -> Result<SocketAddr, Problems> {
    let raw = RawValues::gather(flags, environment, &file(flags, environment));
    let mut reader = Reader::new(&raw);
    let listen = reader.required(&settings::LISTEN, build::listen);
    listen.ok_or_else(|| {
        Problems(reader.problems.into_iter().filter(|problem| problem.setting == settings::LISTEN.name).collect())
    })
}

/// The two addresses of an installation, and the way to Forgejo, for commands that come before all else is known.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Our own.
    pub public_url: PublicUrl,
    /// Forgejo's, as browsers see it.
    pub forgejo_url: BaseUrl,
    /// Forgejo's, for our own requests.
    pub forgejo_internal_url: BaseUrl,
    /// PEM with further roots of trust.
    pub extra_ca_file: Option<PathBuf>,
    /// HTTP proxy for outgoing connections.
    pub egress_proxy: Option<SecretUrl>,
}

/// Reads [`Addresses`] from the same sources as the whole configuration.
pub fn addresses(flags: &FlagValues, environment: Environment<'_>) -> Result<Addresses, Problems> {
    let raw = RawValues::gather(flags, environment, &file(flags, environment));
    let mut reader = Reader::new(&raw);
    let public_url = reader.required(&settings::PUBLIC_URL, PublicUrl::parse);
    let forgejo_url = reader.required(&settings::FORGEJO_URL, BaseUrl::parse);
    let internal_url = reader.optional(&settings::FORGEJO_INTERNAL_URL, BaseUrl::parse);
    let extra_ca_file = reader.optional(&settings::EXTRA_CA_FILE, build::certificates);
    let egress_proxy = reader.optional(&settings::EGRESS_PROXY, SecretUrl::parse_http);
    if let (Some(public_url), Some(forgejo_url), Ok(internal_url), Ok(extra_ca_file), Ok(egress_proxy)) =
        (public_url, forgejo_url, internal_url, extra_ca_file, egress_proxy)
    {
        let forgejo_internal_url = internal_url.unwrap_or_else(|| forgejo_url.clone());
        return Ok(Addresses { public_url, forgejo_url, forgejo_internal_url, extra_ca_file, egress_proxy });
    }
    let ours = [
        &settings::PUBLIC_URL,
        &settings::FORGEJO_URL,
        &settings::FORGEJO_INTERNAL_URL,
        &settings::EXTRA_CA_FILE,
        &settings::EGRESS_PROXY,
    ];
    let problems = reader.problems.into_iter();
    Err(Problems(problems.filter(|problem| ours.iter().any(|s| s.name == problem.setting)).collect()))
}

fn file(flags: &FlagValues, environment: Environment<'_>) -> FileValues {
    let name = variable("config");
    let from_variable = environment(&name).filter(|value| !value.is_empty());
    match (flags.config(), from_variable) {
        (Some(path), _) => FileValues::read(Path::new(path), "--config"),
        (None, Some(path)) => FileValues::read(Path::new(&path), &name),
        (None, None) => FileValues::default(),
    }
}
