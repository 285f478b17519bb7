//! What the tests of this crate share: a fresh database on disk, a user who has logged in, races.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oauth::client::ClientMetadata;
use oauth::clock::Timestamp;
use oauth::grant::GrantLimits;
use oauth::id::{ClientId, GrantId, UserId};
use oauth::pkce::CodeChallenge;
use oauth::scope::ScopeSet;
use oauth::token::TokenHash;
use tempfile::TempDir;

use crate::clients::KnownClientKind;
use crate::credentials::NewCredential;
use crate::database::query_scalar;
use crate::logins::{CompletedLogin, LoginCompleted, NewCode, NewGrant, UpstreamLogin};
use crate::tokens::NewTokens;
use crate::{Database, KeyRing, OpenError, Server, Store, StoreError};

pub(crate) const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
pub(crate) const OTHER_KEY: &str = "//////////////////////////////////////////8=";
pub(crate) const RESOURCE: &str = "https://broker.example/mcp";
/// For a machine on which much else goes on.
const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:1/cb";

/// A completed login to be written: what differs between tests, with sensible values for the rest.
pub(crate) struct Login {
    pub(crate) sub: &'static str,
    pub(crate) client: &'static str,
    pub(crate) grant: String,
    pub(crate) code: String,
    pub(crate) upstream_grant: Option<i64>,
    pub(crate) counter: Option<i64>,
    pub(crate) access_token: &'static str,
    pub(crate) now: i64,
}

pub(crate) fn ring(text: &str) -> Arc<KeyRing> {
    Arc::new(KeyRing::parse(text).unwrap())
}

/// Which database a test is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A new database for one test; it goes when this is dropped.
pub(crate) struct Scratch {
    database: Database,
    kept: Kept,
}

enum Kept {
    Folder(#[expect(dead_code, reason = "held for what happens when it is dropped")] TempDir),
    Server(scratch_postgres::Place),
}

/// Makes two tests of one: on SQLite, and on PostgreSQL.
macro_rules! on_each {
    ($name:ident) => {
        mod $name {
            use crate::testing::{Kind, Scratch};

            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                super::$name(Scratch::new(Kind::Sqlite)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() {
                super::$name(Scratch::new(Kind::Postgres)).await;
            }
        }
    };
}
pub(crate) use on_each;

// === impl Scratch ===

impl Scratch {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let (directory, path) = place();
                Self { database: Database::Sqlite(path), kept: Kept::Folder(directory) }
            }
            Kind::Postgres => {
                let cluster = scratch_postgres::shared().unwrap_or_else(|error| panic!("{error}"));
                Self::at(cluster.schema().unwrap())
            }
        }
    }

    /// A PostgreSQL database that it shares with no other test.
    pub(crate) fn of_its_own() -> Self {
        Self::at(scratch_postgres::shared().unwrap().database().unwrap())
    }

    fn at(place: scratch_postgres::Place) -> Self {
        let mut server = Server::new(&place.url()).unwrap();
        server.connect_timeout = PATIENCE;
        server.statement_timeout = PATIENCE;
        server.lock_timeout = PATIENCE;
        Self { database: Database::Postgres(Box::new(server)), kept: Kept::Server(place) }
    }

    /// Runs a statement as the server's administrator.
    pub(crate) fn run(&self, statement: &str) -> String {
        match &self.kept {
            Kept::Server(place) => place.run(statement).unwrap(),
            Kept::Folder(_) => panic!("this is SQLite"),
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The store in it, under [`KEY`].
    pub(crate) async fn store(&self) -> Store {
        self.open(ring(KEY)).await.unwrap()
    }

    pub(crate) async fn open(&self, keys: Arc<KeyRing>) -> Result<Store, OpenError> {
        Store::at(&self.database, keys).await
    }
}

pub(crate) fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("state").join("broker.db");
    (directory, path)
}

/// Starts `count` tasks at once and waits for all; results in the order of the tasks' indices.
pub(crate) async fn race<F, Fut>(count: usize, store: &Store, task: F) -> Vec<Fut::Output>
where
    F: Fn(Store, usize) -> Fut,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|index| tokio::spawn(task(store.clone(), index))).collect();
    let mut outputs = Vec::with_capacity(count);
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}

pub(crate) fn metadata(name: &str) -> ClientMetadata {
    ClientMetadata {
        redirect_uris: vec![REDIRECT_URI.into()],
        client_name: Some(name.into()),
        client_uri: None,
        application_type: None,
        software_id: None,
        software_version: None,
        token_endpoint_auth_method: oauth::client::TokenEndpointAuthMethod::None,
    }
}

pub(crate) fn credential(access_token: &str) -> NewCredential<'_> {
    NewCredential {
        access_token,
        refresh_token: "forgejo-refresh",
        expires_at: Timestamp(3_600_000),
        refreshed_at: Timestamp(0),
        grant_id: Some(7),
        counter: Some(1),
        scope: Some("read:user"),
    }
}

pub(crate) async fn client(store: &Store, id: &str) -> ClientId {
    let id = ClientId::from(id);
    store.save_client(&id, KnownClientKind::Static, &metadata("test"), Timestamp(0)).await.unwrap();
    id
}

/// A user `alice` who let client `c` in: grant `g`, code `code`.
pub(crate) async fn logged_in(store: &Store) -> UserId {
    client(store, "c").await;
    Login::of("g").write(store).await.unwrap().user
}

pub(crate) fn tokens(name: &str, now: i64) -> NewTokens {
    NewTokens {
        access_hash: TokenHash::of(&format!("{name}-access")),
        access_expires_at: Timestamp(now + 3_600_000),
        refresh_hash: TokenHash::of(&format!("{name}-refresh")),
        refresh_expires_at: Timestamp(now + 30 * 86_400_000),
    }
}

pub(crate) async fn rows(store: &Store, count: &'static str) -> i64 {
    query_scalar(count).fetch_one(store.read()).await.unwrap()
}

// === impl Login ===

impl Login {
    pub(crate) fn of(grant: &str) -> Self {
        Self {
            sub: "1",
            client: "c",
            grant: grant.into(),
            code: if grant == "g" { "code".into() } else { format!("code-{grant}") },
            upstream_grant: Some(7),
            counter: Some(1),
            access_token: "forgejo-access",
            now: 0,
        }
    }

    pub(crate) async fn write(&self, store: &Store) -> Result<LoginCompleted, StoreError> {
        let user = UserId::from(format!("user-{}-{}", self.sub, self.grant));
        let client = ClientId::from(self.client);
        let challenge = CodeChallenge::try_from("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()).unwrap();
        let credential =
            NewCredential { grant_id: self.upstream_grant, counter: self.counter, ..credential(self.access_token) };
        let login = CompletedLogin {
            upstream: UpstreamLogin {
                user_id_if_new: &user,
                issuer: "https://forgejo.example/",
                sub: self.sub,
                login: "alice",
                forgejo_id: 1,
                credential,
                now: Timestamp(self.now),
            },
            grant: NewGrant {
                id: GrantId::from(self.grant.as_str()),
                client: &client,
                scope: ScopeSet::READ_WRITE,
                asked: ScopeSet::READ_WRITE,
                limits: &GrantLimits::default(),
                resource: RESOURCE,
            },
            code: NewCode {
                hash: TokenHash::of(&self.code),
                code_challenge: &challenge,
                redirect_uri: REDIRECT_URI,
                expires_at: Timestamp(self.now + 60_000),
            },
        };
        store.complete_login(&login).await
    }
}
