//! The table of all settings. Flags, variables, file keys, help and reference are made from it.

use super::setting::Fallback::{Computed, Required, Unset, Value};
use super::setting::{Secrecy, Setting};

macro_rules! settings {
    ($($group:literal { $($name:ident = $setting:expr;)* })*) => {
        $($(pub(crate) static $name: Setting = $setting.group($group);)*)*
        /// Every setting, in the order of the reference.
        pub(crate) static ALL: &[&Setting] = &[$($(&$name,)*)*];
    };
}

settings! {
    "Public face" {
        PUBLIC_URL = Setting::one("public-url", "URL", Required,
            "The origin under which clients and browsers reach the broker, such as https://mcp.example.org. Every URL the \
             broker writes is made from it; it is the issuer, and the MCP endpoint is this with /mcp. https, or http on a loopback host.");
        LISTEN = Setting::one("listen", "ADDRESS:PORT", Value("127.0.0.1:8080"),
            "Where to listen, in plain HTTP; TLS is the reverse proxy's work.");
        ALLOWED_HOSTS = Setting::list("allowed-hosts", "HOST[:PORT]", Computed("host of public-url, and listen if that is loopback"),
            "Values of the Host header that /mcp accepts; any other is answered 403 (DNS rebinding). Setting it replaces the default.").live();
        ALLOWED_ORIGINS = Setting::list("allowed-origins", "ORIGIN", Unset("only the origin of public-url"),
            "Origins, besides that of public-url, whose pages may call /mcp from a browser. Clients outside browsers send no Origin and need no entry.").live();
        TRUSTED_PROXIES = Setting::list("trusted-proxies", "NETWORK", Unset("none"),
            "Addresses or networks (CIDR) of reverse proxies whose X-Forwarded-For and X-Request-Id are believed.").live();
        REDIRECT_URI_ALLOW_LIST = Setting::list("redirect-uri-allow-list", "URI", Unset("none"),
            "Whole redirect URIs that are accepted at registration although their scheme would not be, such as cursor://anysphere.cursor-mcp/oauth/callback.").live();
    }
    "Clients" {
        CLIENT_METADATA_DOCUMENTS = Setting::one("client-metadata-documents", "true|false", Value("true"),
            "Whether a client may be known by a document at an https address that is its client_id. The metadata says so, and clients that have a \
             document then do not register: switch it off where the broker cannot reach the internet.").live();
        CLIENT_METADATA_DOCUMENT_HOSTS = Setting::list("client-metadata-document-hosts", "HOST", Unset("all"),
            "Hosts whose client metadata documents are accepted, such as claude.ai.").live();
        CLIENTS = Setting::tables("clients", "JSON", Unset("none"),
            "Clients known beforehand: `id`, `redirect_uris`, and optionally `name` and `secret` or `secret_file`; without a secret the client is \
             public. In the file a table [[clients]] for each.").live();
    }
    "Forgejo" {
        FORGEJO_URL = Setting::one("forgejo-url", "URL", Required,
            "Forgejo's address as browsers see it (its ROOT_URL); a sub-path works.");
        FORGEJO_INTERNAL_URL = Setting::one("forgejo-internal-url", "URL", Unset("forgejo-url"),
            "Another address for the broker's own requests to Forgejo, if the public one is not reachable or goes a long way round.");
        EXTRA_CA_FILE = Setting::one("extra-ca-file", "FILE", Unset("none"),
            "PEM file with certificates to trust, besides the built-in ones, in outgoing connections.");
        EGRESS_PROXY = Setting::one("egress-proxy", "URL", Unset("none"),
            "HTTP proxy for outgoing connections. The usual proxy variables are ignored.").secrecy(Secrecy::Url);
        FORGEJO_OAUTH_CLIENT_ID = Setting::one("forgejo-oauth-client-id", "ID", Required,
            "Client id of the OAuth2 application made for the broker in Forgejo (confidential, redirect URI: public-url with /oauth/callback).");
        FORGEJO_OAUTH_CLIENT_SECRET = Setting::one("forgejo-oauth-client-secret", "SECRET", Required,
            "Client secret of that application.").secrecy(Secrecy::Secret);
        FORGEJO_OAUTH_SCOPES = Setting::one("forgejo-oauth-scopes", "SCOPES",
            Value("write:repository write:issue write:organization write:user write:notification"),
            "What the broker asks of Forgejo for every user; each grant is narrowed at the gateway.");
    }
    "Who may enter" {
        ALLOWED_USERS = Setting::list("allowed-users", "LOGIN", Unset("everybody, unless another list is set"),
            "Forgejo users who may use the broker. Whoever is on one of the three lists may. A name is bound to the Forgejo id that it has when it \
             first matches: somebody who takes the name later is refused. To bind it anew, reload or start once without it.").live();
        ALLOWED_ORGANIZATIONS = Setting::list("allowed-organizations", "NAME", Unset("none"),
            "Forgejo organisations whose members may use the broker; bound to ids like users.").live();
        ALLOWED_TEAMS = Setting::list("allowed-teams", "ORGANIZATION/TEAM", Unset("none"),
            "Forgejo teams whose members may use the broker; bound to ids like users.").live();
        ENTRY_RECHECK = Setting::one("entry-recheck", "DURATION", Value("5m"),
            "How often Forgejo is asked, about everybody who is using the broker, whether he still has a working account and is on the lists \
             (1s to 15m). It is also asked at every login and every refresh of tokens.").live();
    }
    "Worker" {
        WORKER_PROFILE = Setting::one("worker-profile", "NAME", Value("forgejo-mcp"),
            "Which MCP server program runs for each session: forgejo-mcp, forgejo-mcp-rs, gitea-mcp-npm, gitea-mcp-python, gitea-toolkit-mcp, or custom.");
        WORKER_COMMAND = Setting::one("worker-command", "PROGRAM", Computed("the profile's program, found on PATH"),
            "The worker program: a path, or a name to be found on PATH. Required with the custom profile.");
        WORKER_ARGS = Setting::words("worker-args", "ARGUMENT", Unset("none"),
            "Arguments added after those of the profile.");
        WORKER_ENV = Setting::words("worker-env", "NAME=VALUE", Unset("none"),
            "Variables for the worker, besides those of the profile; it inherits none of the broker's.").secrecy(Secrecy::Values);
        WORKER_URL_VAR = Setting::one("worker-url-var", "NAME", Unset("the profile's"),
            "Variable in which the worker expects Forgejo's address.");
        WORKER_TOKEN_VAR = Setting::one("worker-token-var", "NAME", Unset("the profile's"),
            "Variable in which the worker expects its token.");
        WORKER_ERA = Setting::one("worker-era", "auto|legacy|modern", Unset("the profile's"),
            "Which era of MCP the program speaks: legacy begins with initialize, modern is 2026-07-28 alone, auto asks a process that is used \
             for nothing else, once per version of the program. forgejo-mcp and both gitea-mcp are known to be legacy.");
        WORKER_CAGE = Setting::one("worker-cage", "required|auto|off", Value("auto"),
            "How workers are confined: auto takes what the kernel allows, required refuses to start with less than Landlock and seccomp, off \
             leaves a clean environment only.");
        WORKER_CAGE_MAX_RUNG = Setting::one("worker-cage-max-rung", "1|2|3", Value("3"),
            "The highest rung of the cage that is tried: 1 is a clean environment and resource limits, 2 adds Landlock and seccomp, 3 a network of \
             the worker's own. Lower it only to find out what a program needs.");
        WORKER_ALLOWED_PATHS = Setting::list("worker-allowed-paths", "PATH", Unset("none"),
            "Files and folders that the worker reads or executes besides its program, what interprets that, and the system's libraries, such as \
             a virtual environment. With Landlock it can open no others.");
        WORKER_MAY_FORK = Setting::switch("worker-may-fork",
            "Let the worker start processes of its own, which are confined as it is. With seccomp it can't otherwise.");
    }
    "Gateway" {
        OPEN_DOORS = Setting::list("open-doors", "GROUP", Unset("none"),
            "Groups of Forgejo's API that are closed to every grant unless named here.").live();
        STORAGE_ORIGINS = Setting::list("storage-origins", "ORIGIN", Unset("none"),
            "Origins of the object storage to which Forgejo redirects downloads; these are fetched without any credential.").live();
    }
    "Tools" {
        TOOLS_ALLOW = Setting::list("tools-allow", "PATTERN", Unset("all"),
            "Tools of the worker that clients see and may call; all others are not there. A name, in which * stands for any characters and ? for \
             one, or a group: @read, @write, or @ with a group of open-doors, such as @hooks.").live();
        TOOLS_DENY = Setting::list("tools-deny", "PATTERN", Unset("none"),
            "Tools that are not there, whatever tools-allow says; written alike.").live();
        TOOLS_READ_ONLY = Setting::list("tools-read-only", "PATTERN", Unset("the profile's"),
            "Names of tools that only read, in the same form; a connection that may only read is shown no others. This is for the model's ease: \
             what such a connection may do is decided at the gateway.").live();
        TOOLS_TRUST_ANNOTATIONS = Setting::one("tools-trust-annotations", "true|false", Unset("the profile's"),
            "Whether the program says honestly which of its tools only read (readOnlyHint); it then counts instead of the name.").live();
    }
    "Store" {
        STORE_PATH = Setting::one("store-path", "FILE", Computed("broker.db in $STATE_DIRECTORY, else ./fjmcp-broker.db"),
            "SQLite file; created (0600) if it is not there. Its folder must be writable.");
        STATE_DIR = Setting::one("state-dir", "FOLDER", Computed("$STATE_DIRECTORY, else the working directory"),
            "With PostgreSQL, the folder for what belongs to this process alone: its name, and what it has to clean up after a crash. An SQLite \
             file has it beside itself.");
        DATABASE_URL = Setting::one("database-url", "URL", Unset("store-path"),
            "Database in the form of a URL instead of store-path: postgres://USER@HOST:PORT/DATABASE, or sqlite:FILE. What the URL does not say \
             comes from PostgreSQL's variables (PGPASSWORD, PGSSLMODE, ...).").secrecy(Secrecy::Url);
        DATABASE_PASSWORD = Setting::one("database-password", "PASSWORD", Unset("the URL's"),
            "The PostgreSQL user's password, apart from the URL.").secrecy(Secrecy::Secret);
        DATABASE_TLS = Setting::one("database-tls", "disable|allow|prefer|require|verify-ca|verify-full", Unset("the URL's sslmode, else prefer"),
            "How the connection to PostgreSQL is protected. Only verify-full proves that it is the right server; use it wherever the server is \
             another machine.");
        DATABASE_CA_FILE = Setting::one("database-ca-file", "FILE", Unset("the roots that the program brings"),
            "Authority that signs PostgreSQL's certificate, as PEM.");
        DATABASE_LISTEN_URL = Setting::one("database-listen-url", "URL", Unset("database-url"),
            "Where the one connection goes that listens for notifications; it can't pass a pooler. With database-pooler and without this, \
             processes hear of each other by asking once a second.").secrecy(Secrecy::Url);
        DATABASE_POOLER = Setting::switch("database-pooler",
            "database-url leads to a pooler that gives out connections by the transaction, such as PgBouncer.");
        DATABASE_CONNECTIONS = Setting::one("database-connections", "NUMBER", Value("10"),
            "Connections to PostgreSQL that are open at most, besides the one that listens (2 to 1000).");
        DATABASE_CONNECT_TIMEOUT = Setting::one("database-connect-timeout", "DURATION", Value("5s"),
            "How long a request waits for a connection to PostgreSQL, before it is answered with 503 (1s to 60s).");
        DATABASE_STATEMENT_TIMEOUT = Setting::one("database-statement-timeout", "DURATION", Value("10s"),
            "How long PostgreSQL may work on one statement (1s to 5m). Two seconds later the connection counts as lost.");
        DATABASE_LOCK_TIMEOUT = Setting::one("database-lock-timeout", "DURATION", Value("5s"),
            "How long a statement waits for a row that another transaction is writing (1s to 5m).");
        ENCRYPTION_KEYS = Setting::list("encryption-keys", "KEY", Computed("required, unless ephemeral-key is set"),
            "Key ring that seals what is spendable in the store: the first key seals, all open. Made by `fjmcp-broker keys generate`.")
            .secrecy(Secrecy::Secret).live();
        EPHEMERAL_KEY = Setting::switch("ephemeral-key",
            "Seal with a key that only this run knows, instead of encryption-keys. After a restart nobody can use what was stored: for trials only.");
    }
    "Replicas" {
        REPLICA_LISTEN = Setting::one("replica-listen", "ADDRESS:PORT", Unset("no other brokers"),
            "Where to listen for other brokers on the same PostgreSQL database, with TLS and certificates that come of encryption-keys. Nothing but \
             they has to reach it. Over it a request for a session goes on to the broker that holds it; without it each serves only its own.");
        REPLICA_ADVERTISE = Setting::one("replica-advertise", "HOST:PORT", Computed("replica-listen, if that is one address"),
            "Where other replicas reach replica-listen. Each replica has an address of its own.");
        REPLICA_LEASE = Setting::one("replica-lease", "DURATION", Value("10s"),
            "With PostgreSQL: how long the database holds a broker's sessions for it when it does not renew its lease, which it does five times as \
             often (2s to 2m). So long the sessions of a broker that was killed wait for another one; a broker that cannot reach the database \
             stops serving sessions after four fifths of it. The same for all brokers.");
    }
    "Lifetimes" {
        ACCESS_TOKEN_LIFETIME = Setting::one("access-token-lifetime", "DURATION", Value("1h"),
            "How long an access token is good (1m to 24h).").live();
        REFRESH_TOKEN_IDLE_LIFETIME = Setting::one("refresh-token-idle-lifetime", "DURATION", Value("30d"),
            "How long a refresh token waits for its use.").live();
        REFRESH_TOKEN_ABSOLUTE_LIFETIME = Setting::one("refresh-token-absolute-lifetime", "DURATION", Value("365d"),
            "How long a connection lasts, however often it is refreshed.").live();
        AUTHORIZATION_CODE_LIFETIME = Setting::one("authorization-code-lifetime", "DURATION", Value("60s"),
            "How long an authorization code waits for its redemption (at most 10m).").live();
        LOGIN_LIFETIME = Setting::one("login-lifetime", "DURATION", Value("10m"),
            "How long a user may take from our consent page to the end of the login at Forgejo (1m to 1h).").live();
        REFRESH_REPLAY_WINDOW = Setting::one("refresh-replay-window", "DURATION", Value("0s"),
            "How long the predecessor of a refresh token is answered with the same pair again, for clients that lose answers or refresh from several \
             places (at most 120s; 0s: never). Use 120s with claude.ai.").live();
    }
    "Rate limits" {
        RATE_LIMIT_REGISTER = Setting::one("rate-limit-register", "RATE", Value("60/m"),
            "Registrations of clients, by address: a number of requests per second, minute or hour (10/s, 60/m, 1000/h), all of which may come at \
             once; or off. Beyond it the answer is 429 with Retry-After. Behind a reverse proxy set trusted-proxies, or all users share one \
             address.").live();
        RATE_LIMIT_AUTHORIZE = Setting::one("rate-limit-authorize", "RATE", Value("120/m"),
            "The same for authorization requests, consent, and the way back from Forgejo.").live();
        RATE_LIMIT_TOKEN = Setting::one("rate-limit-token", "RATE", Value("600/m"),
            "The same for token and revocation requests.").live();
        RATE_LIMIT_CLIENT = Setting::one("rate-limit-client", "RATE", Value("6000/m"),
            "Token and revocation requests of each client from the configuration that has proved itself by its secret, wherever they come from. \
             Other clients have no limit of their own: anybody can name them, or make new ones.").live();
        RATE_LIMIT_UNAUTHENTICATED = Setting::one("rate-limit-unauthenticated", "RATE", Value("600/m"),
            "The same for requests to /mcp without a valid token, or with one not seen lately.").live();
        RATE_LIMIT_GRANT = Setting::one("rate-limit-grant", "RATE", Value("12000/m"),
            "Requests to /mcp of one connection, wherever they come from.").live();
        SHARED_EGRESS = Setting::list("shared-egress", "NETWORK", Value("160.79.104.0/21"),
            "Networks from which many users come, such as those of a hosted client; each has one allowance, a hundred times the usual. The default \
             is claude.ai's.").live();
    }
    "Sessions and limits" {
        MAX_SESSIONS = Setting::one("max-sessions", "NUMBER", Computed("what memory, tasks and descriptors have room for, at most 500"),
            "Sessions with a live worker at once; an idle one is hibernated to make room. The log says at the start what the number came of.").live();
        MAX_SESSIONS_PER_USER = Setting::one("max-sessions-per-user", "NUMBER", Computed("a quarter of max-sessions, at most 16"),
            "The same for one user.").live();
        WARM_WORKERS = Setting::one("warm-workers", "NUMBER", Value("2"),
            "Workers started ahead, so that the first call of a session does not wait for a process. They hold no user's access until they are \
             given to one, for good. They count within max-sessions and make room for users. 0: none.").live();
        MAX_STORED_SESSIONS = Setting::one("max-stored-sessions", "NUMBER", Value("256"),
            "Sessions kept for one connection, hibernated ones included, and four times as many for one user; beyond it the one unused for the \
             longest time is forgotten.").live();
        SESSION_IDLE_TIMEOUT = Setting::one("session-idle-timeout", "DURATION", Value("15m"),
            "After how long without a call a session's worker is stopped. The session itself stays.").live();
        SESSION_ABSOLUTE_LIFETIME = Setting::one("session-absolute-lifetime", "DURATION", Value("30d"),
            "After how long without a request a stored session is forgotten.").live();
        CALL_DEADLINE = Setting::one("call-deadline", "DURATION", Value("300s"),
            "How long a worker may take over one request.").live();
        MAX_BODY_BYTES = Setting::one("max-body-bytes", "SIZE", Value("4MiB"),
            "Longest body that /mcp accepts (64KiB to 256MiB).").live();
        MAX_CONNECTIONS = Setting::one("max-connections", "NUMBER", Value("1024"),
            "Open HTTP connections at once; more wait in the system's queue.");
        MAX_CLIENTS = Setting::one("max-clients", "NUMBER", Value("10000"),
            "Dynamically registered clients kept at once; those never authorized go first.").live();
    }
    "Operation" {
        THREADS = Setting::one("threads", "NUMBER", Computed("one less than the cores this process may use, at least 1"),
            "Threads that serve requests (1 to 256). One needs no hand-over to another, which on few cores costs more than it gains; workers and Forgejo \
             want a core, too.");
        SHUTDOWN_GRACE = Setting::one("shutdown-grace", "DURATION", Value("10s"),
            "How long calls and streams may take to end after SIGTERM or SIGINT (at most 10m).");
        TRACES_ENDPOINT = Setting::one("traces-endpoint", "URL", Unset("no traces"),
            "Where traces are sent: the address of an OpenTelemetry collector for OTLP over HTTP, such as http://127.0.0.1:4318.");
        TRACES_RATIO = Setting::one("traces-ratio", "SHARE", Value("1"),
            "Which share of traces is sent, from 0 to 1; decided by the trace's id, so that services with the same share send the same ones.");
        METRICS_LISTEN = Setting::one("metrics-listen", "ADDRESS", Value("127.0.0.1:9464"),
            "Where /metrics is served (docs/metrics.md), without authentication and apart from the public listener: keep it on loopback or in a network \
             of your own; or off.");
        AUDIT_LOG = Setting::one("audit-log", "FILE", Unset("the ordinary log, target audit"),
            "File to which the audit log is appended, one JSON object a line; created (0600) if it is not there, opened anew for each batch, so it \
             can be moved away at any time. Events are in the store either way.");
        AUDIT_RETENTION = Setting::one("audit-retention", "DURATION", Value("90d"),
            "How long audit events are kept in the store (1d to 3650d).").live();
        LOG_FORMAT = Setting::one("log-format", "json|text", Value("json"),
            "Form of the log lines on standard error.").live();
        LOG_LEVEL = Setting::one("log-level", "LEVEL", Value("info"),
            "error, warn, info, debug or trace; or levels by target, such as info,bridge=debug.").live();
    }
}
