//! The configuration as an operator meets it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::setting::{Fallback, Shape};
use super::settings::ALL;
use super::*;

const SECRET: &str = "hunter2-hunter2";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

struct Operator {
    folder: tempfile::TempDir,
    flags: Vec<(&'static str, String)>,
    variables: HashMap<String, String>,
}

impl Operator {
    /// Sets what is required and no more, by variables.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut operator = Self { folder, flags: Vec::new(), variables: HashMap::new() };
        operator.variable("PUBLIC_URL", "https://mcp.example.org");
        operator.variable("FORGEJO_URL", "https://git.example.org");
        operator.variable("FORGEJO_OAUTH_CLIENT_ID", "8f3c");
        operator.variable("FORGEJO_OAUTH_CLIENT_SECRET", SECRET);
        operator.variable("ENCRYPTION_KEYS", KEY);
        let store = operator.folder.path().join("broker.db");
        operator.variable("STORE_PATH", store.to_str().unwrap());
        operator
    }

    fn variable(&mut self, name: &str, value: &str) {
        self.variables.insert(format!("FJMCP_BROKER_{name}"), value.to_owned());
    }

    fn unset(&mut self, name: &str) {
        self.variables.remove(&format!("FJMCP_BROKER_{name}"));
    }

    fn flag(&mut self, name: &'static str, value: &str) {
        self.flags.push((name, value.to_owned()));
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn file(&mut self, text: &str) {
        let path = self.write("broker.toml", text);
        self.variable("CONFIG", &path);
    }

    fn load(&self) -> Loaded {
        let flags: Vec<(&str, &str)> = self.flags.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let environment = |name: &str| self.variables.get(name).map(OsString::from);
        load(&FlagValues::of(&flags), &environment, self.variables.keys().cloned())
    }

    fn config(&self) -> Config {
        self.load().outcome.unwrap()
    }

    fn problems(&self) -> Vec<Problem> {
        self.load().outcome.unwrap_err().0
    }

    fn settings_with_problems(&self) -> Vec<String> {
        self.problems().into_iter().map(|problem| problem.setting).collect()
    }
}

#[test]
fn what_is_required_is_enough_and_the_rest_has_defaults() {
    let config = Operator::new().config();
    assert_eq!(config.http.public_url.origin(), "https://mcp.example.org");
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.allowed_origins, ["https://mcp.example.org"]);
    assert_eq!(config.forgejo.internal_url, config.forgejo.url);
    assert_eq!(config.lifetimes.access_token, Duration::from_hours(1));
    assert_eq!(config.lifetimes.refresh_replay_window, Duration::ZERO);
    assert!(config.sessions.max_sessions >= config.sessions.max_sessions_per_user);
    assert_eq!(config.http.max_body_bytes, 4 << 20);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn every_default_of_the_table_is_valid_and_the_table_is_complete() {
    Operator::new().config();
    for (index, setting) in ALL.iter().enumerate() {
        assert!(ALL[..index].iter().all(|other| other.name != setting.name), "{} is there twice", setting.name);
        assert!(setting.doc.ends_with(['.', ')']), "{}: {}", setting.name, setting.doc);
        assert!(!setting.group.is_empty() && (setting.shape == Shape::Switch || !setting.placeholder.is_empty()));
    }
}

#[test]
fn every_setting_of_the_table_is_read() {
    // A value that no setting takes is refused by each, unless any text will do.
    let any_text = ["worker-command", "worker-args", "store-path", "database-password"];
    for setting in ALL.iter().filter(|setting| !any_text.contains(&setting.name)) {
        let mut operator = Operator::new();
        operator.flag(setting.name, "\u{1}\u{e9} =");
        let problems = operator.settings_with_problems();
        assert!(
            problems.iter().any(|name| name == setting.name),
            "{} took nonsense; problems: {problems:?}",
            setting.name
        );
    }
}

#[test]
fn all_problems_are_told_at_once_with_what_to_do() {
    let operator = Operator { variables: HashMap::new(), ..Operator::new() };
    let required: Vec<_> =
        ALL.iter().filter(|setting| setting.default == Fallback::Required).map(|setting| setting.name).collect();
    let problems = operator.settings_with_problems();
    for name in required.iter().chain(&["encryption-keys"]) {
        assert!(problems.iter().any(|problem| problem == name), "{name} is missing in {problems:?}");
    }
    let mut operator = Operator::new();
    operator.variable("PUBLIC_URL", "http://mcp.example.org");
    operator.variable("LISTEN", "8080");
    operator.flag("call-deadline", "5");
    let text = operator.load().outcome.unwrap_err().to_string();
    assert!(text.starts_with("the configuration has 3 problems:"), "{text}");
    for part in [
        "public-url (from FJMCP_BROKER_PUBLIC_URL)",
        "listen (from FJMCP_BROKER_LISTEN)",
        "call-deadline (from --call-deadline)",
        "90s",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let mut operator = Operator::new();
    operator.file("max-sessions = 1\nmax-sessions-per-user = 1\nsession-idle-timeout = \"1m\"\n");
    operator.variable("MAX_SESSIONS", "2");
    operator.variable("MAX_SESSIONS_PER_USER", "2");
    operator.flag("max-sessions", "3");
    let config = operator.config();
    assert_eq!(config.sessions.max_sessions, 3);
    assert_eq!(config.sessions.max_sessions_per_user, 2);
    assert_eq!(config.sessions.idle_timeout, Duration::from_mins(1));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let mut operator = Operator::new();
    operator.variable("LISTEN", "");
    operator.variable("CONFIG", "");
    operator.variable("FORGEJO_OAUTH_CLIENT_SECRET_FILE", "");
    assert_eq!(operator.config().http.listen.port(), 8080);
    operator.variable("PUBLIC_URL", "");
    assert_eq!(operator.settings_with_problems(), ["public-url"]);
}

#[test]
fn every_secret_can_come_from_a_file() {
    let mut operator = Operator::new();
    operator.unset("FORGEJO_OAUTH_CLIENT_SECRET");
    let path = operator.write("secret", "from-a-file\n");
    operator.variable("FORGEJO_OAUTH_CLIENT_SECRET_FILE", &path);
    assert_eq!(operator.config().forgejo.client_secret.expose_secret(), "from-a-file");
    operator.unset("ENCRYPTION_KEYS");
    let path = operator.write("keys", &format!("# new\n{KEY}\n\n# old\nold:{KEY}\n"));
    operator.flag("encryption-keys-file", &path);
    let Keys::Configured(ring) = operator.config().store.keys else { panic!("no key ring") };
    assert_eq!(ring.expose_secret(), format!("{KEY}\nold:{KEY}"));
}

#[test]
fn systemds_credentials_serve_for_secrets_that_nobody_set_nearer() {
    let mut operator = Operator::new();
    for name in ["FORGEJO_OAUTH_CLIENT_SECRET", "ENCRYPTION_KEYS"] {
        operator.unset(name);
    }
    operator.write("forgejo-oauth-client-secret", "from-systemd\n");
    operator.write("encryption-keys", &format!("# the ring\n{KEY}\n"));
    // No secret, so none of its business.
    operator.write("public-url", "https://elsewhere.example");
    let folder = operator.folder.path().to_str().unwrap().to_owned();
    operator.variables.insert("CREDENTIALS_DIRECTORY".to_owned(), folder);
    assert_eq!(operator.config().forgejo.client_secret.expose_secret(), "from-systemd");
    assert_eq!(operator.config().http.public_url.origin(), "https://mcp.example.org");
    assert!(operator.load().to_toml().contains("CREDENTIALS_DIRECTORY"), "where it came from is shown");
    operator.variable("FORGEJO_OAUTH_CLIENT_SECRET", SECRET);
    assert_eq!(operator.config().forgejo.client_secret.expose_secret(), SECRET);
}

#[test]
fn a_secret_file_that_is_missing_or_empty_is_one_problem() {
    let mut operator = Operator::new();
    operator.unset("FORGEJO_OAUTH_CLIENT_SECRET");
    operator.variable("FORGEJO_OAUTH_CLIENT_SECRET_FILE", "/nonexistent/secret");
    assert_eq!(operator.settings_with_problems(), ["forgejo-oauth-client-secret"]);
    let path = operator.write("empty", "\n");
    operator.variable("FORGEJO_OAUTH_CLIENT_SECRET_FILE", &path);
    assert!(operator.problems()[0].wrong.contains("is empty"));
}

#[test]
fn a_secret_and_its_file_from_one_source_are_a_problem() {
    let mut operator = Operator::new();
    let path = operator.write("secret", "x");
    operator.variable("FORGEJO_OAUTH_CLIENT_SECRET_FILE", &path);
    assert!(operator.problems()[0].wrong.contains("FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_SECRET"));
}

#[test]
fn unknown_keys_of_the_file_are_refused_with_their_line() {
    let mut operator = Operator::new();
    operator.file("# comment\nmax-sessions = 5\npublic_url = \"https://h\"\n\nnonsense = 1\n");
    let problems = operator.problems();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("broker.toml line 3") && texts[0].contains("write public-url"), "{texts:?}");
    assert!(texts[1].contains("broker.toml line 5") && texts[1].contains("config --reference"), "{texts:?}");
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_told_with_its_line() {
    let mut operator = Operator::new();
    operator.file("max-sessions = 5\npublic-url = \n");
    assert!(operator.problems()[0].to_string().contains("broker.toml line 2"));
    operator.variable("CONFIG", "/nonexistent/broker.toml");
    assert!(operator.problems()[0].to_string().contains("FJMCP_BROKER_CONFIG"));
}

#[test]
fn lists_are_written_as_each_source_likes() {
    let mut operator = Operator::new();
    operator.variable("TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1");
    operator.variable("WORKER_ARGS", "--cli --compact");
    operator.variable("WORKER_ENV", "[\"A=1 2\", \"B=x=y\"]");
    operator.file("allowed-origins = [\"http://localhost:6274\"]\n");
    operator.flag("redirect-uri-allow-list", "cursor://anysphere.cursor-mcp/oauth/callback");
    let config = operator.config();
    assert_eq!(
        config.http.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.0/8", "127.0.0.1/32"]
    );
    assert_eq!(config.worker.args, ["--cli", "--compact"]);
    assert_eq!(config.worker.env[0].1.expose_secret(), "1 2");
    assert_eq!(config.worker.env[1].1.expose_secret(), "x=y");
    assert_eq!(config.http.allowed_origins, ["https://mcp.example.org", "http://localhost:6274"]);
    assert_eq!(config.http.redirect_uri_allow_list.len(), 1);
}

#[test]
fn every_bad_item_of_a_list_is_told() {
    let mut operator = Operator::new();
    operator.variable("TRUSTED_PROXIES", "10.0.0.0/99, ok, 127.0.0.1");
    assert_eq!(operator.problems().len(), 2);
    let mut operator = Operator::new();
    operator.variable("REDIRECT_URI_ALLOW_LIST", "javascript:alert(1),https://a/*,cursor://ok/cb");
    assert_eq!(operator.problems().len(), 2);
}

#[test]
fn no_secret_shows_in_problems_debug_or_the_effective_configuration() {
    let mut operator = Operator::new();
    operator.variable("EGRESS_PROXY", &format!("http://me:{SECRET}@proxy.example.org:3128"));
    operator.variable("WORKER_ENV", &format!("EXTRA={SECRET}"));
    let loaded = operator.load();
    let debug = format!("{:?}", loaded.outcome.as_ref().unwrap());
    let toml = loaded.to_toml();
    for (what, text) in [("Debug", &debug), ("config", &toml)] {
        assert!(!text.contains(SECRET) && !text.contains("AAECAwQF"), "{what} shows a secret: {text}");
    }
    assert!(toml.contains("EXTRA=***") && toml.contains("***@proxy.example.org"), "{toml}");
    operator.variable("FORGEJO_OAUTH_CLIENT_SECRET", &format!("{SECRET} with a blank"));
    operator.variable("EGRESS_PROXY", &format!("ftp://me:{SECRET}@proxy.example.org"));
    let text = operator.load().outcome.unwrap_err().to_string();
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn the_effective_configuration_is_toml_that_says_where_values_came_from() {
    let mut operator = Operator::new();
    operator.file("\nmax-sessions = 7\n");
    operator.flag("listen", "127.0.0.1:9");
    let toml = operator.load().to_toml();
    toml::from_str::<toml::Table>(&toml).unwrap();
    for line in [
        "public-url = \"https://mcp.example.org\"  # FJMCP_BROKER_PUBLIC_URL",
        "listen = \"127.0.0.1:9\"  # --listen",
        "log-format = \"json\"  # default",
        "allowed-hosts = [\"mcp.example.org\", \"127.0.0.1:9\", \"localhost:9\"]  # computed",
        "forgejo-oauth-client-secret = \"***\"",
        "ephemeral-key = false",
    ] {
        assert!(toml.contains(line), "{line} is missing in {toml}");
    }
    assert!(toml.contains("broker.toml line 2"), "{toml}");
}

#[test]
fn a_proxy_and_documents_that_are_fetched_without_it_are_warned_of() {
    let mut operator = Operator::new();
    operator.variable("EGRESS_PROXY", "http://proxy.example.org:3128");
    assert!(operator.config().warnings[0].contains("client-metadata-documents"));
    operator.variable("CLIENT_METADATA_DOCUMENTS", "false");
    assert_eq!(operator.config().warnings, [""; 0]);
}

#[test]
fn without_a_key_the_broker_says_how_to_make_one() {
    let mut operator = Operator::new();
    operator.unset("ENCRYPTION_KEYS");
    assert!(operator.problems()[0].remedy.contains("keys generate"));
    operator.flag("ephemeral-key", "true");
    let config = operator.config();
    assert!(matches!(config.store.keys, Keys::Ephemeral));
    assert!(config.warnings[0].contains("after a restart"), "{:?}", config.warnings);
    operator.variable("ENCRYPTION_KEYS", KEY);
    assert_eq!(operator.settings_with_problems(), ["ephemeral-key"]);
}

#[test]
fn lifetimes_are_kept_within_what_makes_sense() {
    for (name, value) in [
        ("refresh-replay-window", "121s"),
        ("authorization-code-lifetime", "11m"),
        ("access-token-lifetime", "10s"),
        ("login-lifetime", "2h"),
        ("refresh-token-idle-lifetime", "366d"),
        ("max-sessions", "0"),
        ("max-body-bytes", "1KiB"),
    ] {
        let mut operator = Operator::new();
        operator.flag(name, value);
        assert_eq!(operator.settings_with_problems(), [name], "{name} = {value}");
    }
    let mut operator = Operator::new();
    operator.flag("refresh-replay-window", "120s");
    assert_eq!(operator.config().lifetimes.refresh_replay_window, Duration::from_mins(2));
}

#[test]
fn the_store_lives_in_the_state_directory_of_systemd_if_there_is_one() {
    let mut operator = Operator::new();
    operator.unset("STORE_PATH");
    let folder = operator.folder.path().to_owned();
    operator.variables.insert("STATE_DIRECTORY".to_owned(), format!("{}:/other", folder.display()));
    assert_eq!(operator.config().store.database.to_string(), folder.join("broker.db").display().to_string());
    operator.variable("DATABASE_URL", &format!("sqlite://{}/x.db", folder.display()));
    assert_eq!(operator.config().store.database.to_string(), folder.join("x.db").display().to_string());
    operator.variable("DATABASE_URL", "mysql://u:hunter3@h/db");
    let problem = operator.problems().remove(0);
    assert!(!problem.to_string().contains("hunter3"));
}

#[test]
fn a_postgresql_database_is_reached_as_the_settings_say_and_shows_no_password() {
    let mut operator = Operator::new();
    operator.unset("STORE_PATH");
    let folder = operator.folder.path().to_owned();
    operator.variable("STATE_DIR", &folder.display().to_string());
    operator.variable("DATABASE_URL", "postgres://u:hunter3@h:6000/db?sslmode=disable");
    operator.variable("DATABASE_POOLER", "true");
    operator.variable("DATABASE_CONNECTIONS", "7");
    operator.variable("DATABASE_LOCK_TIMEOUT", "2s");
    let store = operator.config().store;
    assert_eq!((store.database.to_string().as_str(), store.state_dir), ("postgres://u@h:6000/db", folder));
    let Database::Postgres(server) = &store.database else { panic!("{:?}", store.database) };
    assert_eq!((server.pooled, server.connections, server.lock_timeout), (true, 7, Duration::from_secs(2)));
    assert!(server.is_exposed());
    assert!(!format!("{:?}", store.database).contains("hunter3"));
    operator.variable("DATABASE_TLS", "verify-full");
    let Database::Postgres(server) = operator.config().store.database else { panic!("no server") };
    assert!(!server.is_exposed());
    operator.variable("STORE_PATH", "x.db");
    assert!(operator.problems().remove(0).wrong.contains("store-path is set too"));
}

#[test]
fn a_url_that_names_no_database_is_refused_with_a_pattern() {
    for url in ["postgres://u:hunter3@h", "postgres://", "http://u:hunter3@h/db", "postgres://u:hunter3@h:x/db"] {
        let mut operator = Operator::new();
        operator.unset("STORE_PATH");
        operator.variable("DATABASE_URL", url);
        let problem = operator.problems().remove(0);
        assert_eq!(problem.setting, "database-url");
        assert!(problem.remedy.contains("postgres://USER@HOST/DATABASE"), "{problem}");
        assert!(!problem.to_string().contains("hunter3"), "{problem}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_the_start() {
    let mut operator = Operator::new();
    operator.variable("STORE_PATH", "/nonexistent/folder/broker.db");
    let problem = operator.problems().remove(0);
    assert_eq!(problem.setting, "store-path");
    assert!(problem.remedy.contains("mkdir -p /nonexistent/folder"), "{problem}");
}

#[test]
fn misspelt_variables_are_warned_of_but_those_of_kubernetes_are_not() {
    let mut operator = Operator::new();
    operator.variable("PUBLICURL", "https://h");
    operator.variable("SERVICE_HOST", "10.0.0.1");
    operator.variable("PORT_8080_TCP", "tcp://10.0.0.1:8080");
    operator.variable("PORT", "tcp://10.0.0.1:8080");
    let warnings = operator.config().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("FJMCP_BROKER_PUBLICURL"));
}

#[test]
fn the_listen_address_can_be_had_without_a_whole_configuration() {
    let environment = |name: &str| (name == "FJMCP_BROKER_LISTEN").then(|| OsString::from("0.0.0.0:81"));
    assert_eq!(listen_address(&FlagValues::default(), &environment).unwrap().port(), 81);
    let environment = |name: &str| (name == "FJMCP_BROKER_LISTEN").then(|| OsString::from("nonsense"));
    assert_eq!(listen_address(&FlagValues::default(), &environment).unwrap_err().0.len(), 1);
}

#[test]
fn the_reference_names_every_setting_and_its_variable() {
    let text = reference();
    for setting in ALL {
        assert!(text.contains(&format!("| `{}` | `{}` |", setting.name, setting.variable())), "{}", setting.name);
    }
    assert!(
        Path::new("/").exists()
            && text
                .lines()
                .filter(|line| line.starts_with('|'))
                .all(|line| line.ends_with(" |") || line.ends_with("---|"))
    );
}

#[test]
fn what_other_rooms_would_refuse_is_refused_before_the_start() {
    for (name, value, part) in [
        ("forgejo-oauth-scopes", "write:repo", "write:repo"),
        ("forgejo-oauth-scopes", "all", "all"),
        ("worker-profile", "forgejo-mpc", "forgejo-mcp-rs"),
        ("worker-profile", "custom", "worker-command"),
        ("worker-args", "--token=x", "--token"),
        ("open-doors", "hoooks", "hooks"),
        ("encryption-keys", "AAEC", "32"),
        ("redirect-uri-allow-list", "javascript:alert(1)", "javascript"),
    ] {
        let mut operator = Operator::new();
        operator.flag(name, value);
        let text = operator.load().outcome.unwrap_err().to_string();
        assert!(text.contains(part), "{name} = {value}: {text}");
    }
}

#[test]
fn a_custom_worker_is_described_by_settings() {
    let mut operator = Operator::new();
    operator.flag("worker-profile", "custom");
    operator.flag("worker-command", "/usr/bin/my-mcp");
    operator.flag("worker-token-var", "MY_TOKEN");
    operator.flag("worker-env", "MODE=stdio");
    operator.variable("WORKER_ALLOWED_PATHS", "/opt/server,/srv/models");
    operator.variable("WORKER_MAY_FORK", "true");
    operator.flag("worker-era", "modern");
    let profile = operator.config().worker.to_profile().unwrap();
    assert_eq!(profile.allowed_paths, ["/opt/server", "/srv/models"].map(PathBuf::from));
    assert!(profile.may_fork);
    assert_eq!((profile.command.as_str(), profile.token_var.as_str()), ("/usr/bin/my-mcp", "MY_TOKEN"));
    assert_eq!(profile.env["MODE"], "stdio");
    assert_eq!(profile.era, WorkerEra::Modern);
}

#[test]
fn the_committed_reference_is_what_the_program_prints() {
    let committed = include_str!("../../../../docs/configuration.md");
    assert_eq!(
        committed.trim_end(),
        reference().trim_end(),
        "run `fjmcp-broker config --reference > docs/configuration.md`"
    );
}

#[test]
fn brokers_on_one_postgresql_find_each_other_at_an_address_that_others_can_reach() {
    let mut operator = Operator::new();
    assert_eq!(operator.config().replica, None);
    operator.variable("REPLICA_LISTEN", "10.0.0.7:8090");
    // A file has one broker.
    assert_eq!(operator.settings_with_problems(), ["replica-listen"]);
    let folder = operator.folder.path().to_str().unwrap().to_owned();
    operator.unset("STORE_PATH");
    operator.variable("DATABASE_URL", "postgres://u@h/db");
    operator.variable("STATE_DIR", &folder);
    let replica = operator.config().replica.unwrap();
    let link = replica.link.unwrap();
    assert_eq!((link.advertise.as_str(), replica.lease), ("10.0.0.7:8090", Duration::from_secs(10)));
    operator.variable("REPLICA_LISTEN", "0.0.0.0:8090");
    assert_eq!(operator.settings_with_problems(), ["replica-advertise"]);
    for (advertise, is_good) in [
        ("broker-1.brokers:8090", true),
        ("[fd00::7]:8090", true),
        ("broker-1", false),
        ("broker-1:0", false),
        ("http://broker-1:8090", false),
        ("user@broker-1:8090", false),
        ("broker-1:8090/mcp", false),
    ] {
        operator.variable("REPLICA_ADVERTISE", advertise);
        assert_eq!(operator.load().outcome.is_ok(), is_good, "{advertise}");
    }
    operator.variable("REPLICA_ADVERTISE", "broker-1:8090");
    operator.variable("REPLICA_LEASE", "1s");
    assert_eq!(operator.settings_with_problems(), ["replica-lease"]);
    operator.unset("REPLICA_LEASE");
    operator.unset("REPLICA_LISTEN");
    assert_eq!(operator.settings_with_problems(), ["replica-advertise"]);
    // A lease is held all the same: others may come.
    operator.unset("REPLICA_ADVERTISE");
    assert_eq!(operator.config().replica.map(|replica| replica.link), Some(None));
    operator.variable("REPLICA_LISTEN", "10.0.0.7:8090");
    operator.unset("ENCRYPTION_KEYS");
    operator.variable("EPHEMERAL_KEY", "true");
    assert_eq!(operator.settings_with_problems(), ["replica-listen"]);
}
