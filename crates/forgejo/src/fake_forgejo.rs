//! A Forgejo for this crate's tests: one application, one user, one grant, and the habits of reference §4.6 and §4.10.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    Form, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response, StatusCode, header},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use url::Url;

use crate::{
    oauth_client::{ForgejoConfig, OAuthClient, OutboundConfig},
    token_source::Now,
};

pub(crate) const CLIENT_ID: &str = "5a1f9fd2-4c1e-4f9a-9f0e-0a4d4a3a1c77";
pub(crate) const CLIENT_SECRET: &str = "gto_abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst";
pub(crate) const VERIFIER: &str = "a-verifier-of-the-length-that-the-rfc-asks-for-1234";
pub(crate) const REDIRECT: &str = "https://broker.example/oauth/callback";
pub(crate) const START: i64 = 1_800_000_000_000;

type Reply = Response<Body>;

/// What is put in place of the ordinary answer.
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
    pub(crate) location: Option<&'static str>,
    pub(crate) retry_after: Option<&'static str>,
}

#[derive(Default)]
pub(crate) struct Levers {
    pub(crate) grant: i64,
    pub(crate) counter: i64,
    pub(crate) revoked: bool,
    pub(crate) access_life: i64,
    pub(crate) scope: String,
    pub(crate) codes: Vec<String>,
    pub(crate) exp_claim: bool,
    pub(crate) omit_refresh_token: bool,
    /// In place of the token endpoint's answer; the rotation is not made.
    pub(crate) token: Option<Canned>,
    /// The rotation is made, then this is answered.
    pub(crate) token_after_commit: Option<Canned>,
    pub(crate) user: Option<Canned>,
    pub(crate) userinfo: Option<Canned>,
    pub(crate) seen: Seen,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) exchanges: usize,
    pub(crate) refreshes: usize,
    pub(crate) users: usize,
    pub(crate) userinfos: usize,
    pub(crate) forms: Vec<Vec<(String, String)>>,
    pub(crate) headers: Vec<HeaderMap>,
}

/// The running server.
#[derive(Clone)]
pub(crate) struct FakeForgejo {
    pub(crate) base: Url,
    pub(crate) clock: Arc<AtomicI64>,
    levers: Arc<Mutex<Levers>>,
    /// Each refresh takes a permit before it is answered; plenty unless a test takes them away.
    pub(crate) gate: Arc<Semaphore>,
    /// The same for the questions who a user is.
    pub(crate) user_gate: Arc<Semaphore>,
    arrived: Arc<Notify>,
    user_arrived: Arc<Notify>,
}

// === impl Canned ===

impl Canned {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            kind: "application/json;charset=utf-8",
            body: body.to_string(),
            location: None,
            retry_after: None,
        }
    }

    pub(crate) fn html(status: u16) -> Self {
        Self {
            status,
            kind: "text/html; charset=utf-8",
            body: "<!DOCTYPE html><title>Forgejo</title>".to_owned(),
            location: None,
            retry_after: None,
        }
    }

    pub(crate) fn message(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"message": message, "url": "https://git.example/api/swagger"}))
    }

    pub(crate) fn denial(error: &str, description: &str) -> Self {
        Self::json(400, &json!({"error": error, "error_description": description}))
    }

    fn reply(&self) -> Reply {
        let mut builder = Response::builder().status(self.status).header(header::CONTENT_TYPE, self.kind);
        if let Some(location) = self.location {
            builder = builder.header(header::LOCATION, location);
        }
        if let Some(seconds) = self.retry_after {
            builder = builder.header(header::RETRY_AFTER, seconds);
        }
        builder.body(Body::from(self.body.clone())).unwrap()
    }
}

// === impl FakeForgejo ===

impl FakeForgejo {
    pub(crate) async fn start() -> Self {
        Self::start_below("").await
    }

    /// `folder` is empty or begins with a slash and ends without one.
    pub(crate) async fn start_below(folder: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}{folder}", listener.local_addr().unwrap())).unwrap();
        let levers = Levers {
            grant: 7,
            access_life: 3600,
            scope: crate::scope::DEFAULT_SCOPES.to_owned(),
            exp_claim: true,
            ..Levers::default()
        };
        let fake = Self {
            base,
            clock: Arc::new(AtomicI64::new(START)),
            levers: Arc::new(Mutex::new(levers)),
            gate: Arc::new(Semaphore::new(1000)),
            user_gate: Arc::new(Semaphore::new(1000)),
            arrived: Arc::new(Notify::new()),
            user_arrived: Arc::new(Notify::new()),
        };
        let routes = Router::new()
            .route("/login/oauth/access_token", post(token))
            .route("/login/oauth/userinfo", get(userinfo))
            .route("/login/oauth/introspect", post(introspect))
            .route("/api/v1/user", get(user))
            .route("/api/v1/version", get(version))
            .with_state(fake.clone());
        let app = if folder.is_empty() { routes } else { Router::new().nest(folder, routes) };
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        fake
    }

    pub(crate) fn now(&self) -> Now {
        let clock = Arc::clone(&self.clock);
        Arc::new(move || clock.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// A refresh has reached the server since the last call of this.
    pub(crate) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// The same for the questions who a user is.
    pub(crate) async fn user_arrival(&self) {
        self.user_arrived.notified().await;
    }

    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut Levers) -> T) -> T {
        change(&mut self.levers.lock())
    }

    pub(crate) fn seen(&self) -> Seen {
        self.levers.lock().seen.clone()
    }

    pub(crate) fn config(&self) -> ForgejoConfig {
        ForgejoConfig {
            public_url: self.base.clone(),
            internal_url: None,
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned().into(),
            redirect_uri: Url::parse(REDIRECT).unwrap(),
            scopes: crate::scope::ForgejoScopes::default(),
            user_agent: "fjmcp-broker/test".to_owned(),
        }
    }

    pub(crate) fn client(&self) -> OAuthClient {
        self.config().build(OutboundConfig::default().build().unwrap(), self.now()).unwrap()
    }

    /// A code as the browser would bring it.
    pub(crate) fn code(&self) -> String {
        self.set(|levers| {
            let code = format!("gta_{}", levers.codes.len());
            levers.codes.push(code.clone());
            code
        })
    }

    fn issue(&self, levers: &mut Levers) -> (String, String) {
        levers.counter += 1;
        let iat = self.clock.load(Ordering::SeqCst) / 1000;
        let (gnt, cnt) = (levers.grant, levers.counter);
        let access = if levers.exp_claim {
            json!({"gnt": gnt, "tt": 0, "iat": iat, "exp": iat + levers.access_life})
        } else {
            json!({"gnt": gnt, "tt": 0, "until": iat + levers.access_life})
        };
        let refresh = json!({"gnt": gnt, "tt": 1, "cnt": cnt, "iat": iat, "exp": iat + 730 * 3600});
        (jwt(&access), jwt(&refresh))
    }

    /// Forgejo's judgement of an access token: its end, and the grant row.
    fn accepts(&self, headers: &HeaderMap, levers: &Levers) -> bool {
        let Some(token) = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("token ")))
        else {
            return false;
        };
        let claims = claims(token);
        let exp = claims["exp"].as_i64().or(claims["until"].as_i64()).unwrap_or_default();
        claims["tt"] == 0
            && claims["gnt"] == levers.grant
            && !levers.revoked
            && exp > self.clock.load(Ordering::SeqCst) / 1000
    }
}

pub(crate) fn jwt(claims: &serde_json::Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","kid":"k","typ":"JWT"}"#);
    format!("{header}.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn claims(token: &str) -> serde_json::Value {
    let part = token.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()).unwrap_or_default()
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

async fn token(State(fake): State<FakeForgejo>, headers: HeaderMap, Form(form): Form<Vec<(String, String)>>) -> Reply {
    let field =
        |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
    let refresh = field("grant_type") == "refresh_token";
    fake.set(|levers| {
        levers.seen.headers.push(headers);
        levers.seen.forms.push(form.clone());
        if refresh {
            levers.seen.refreshes += 1;
        } else {
            levers.seen.exchanges += 1;
        }
    });
    if refresh {
        fake.arrived.notify_one();
        fake.gate.acquire().await.unwrap().forget();
        fake.gate.add_permits(1);
    }
    fake.set(|levers| {
        if let Some(canned) = &levers.token {
            return canned.reply();
        }
        let deny = |error: &str, text: &str| Canned::denial(error, text).reply();
        if field("client_id") != CLIENT_ID {
            return deny("invalid_client", "cannot load client with client id: x");
        }
        let secret_error = if refresh { "invalid_client" } else { "unauthorized_client" };
        if field("client_secret") != CLIENT_SECRET {
            return deny(secret_error, "invalid client secret");
        }
        if refresh {
            let claims = claims(&field("refresh_token"));
            if claims.is_null() {
                return deny("unauthorized_client", "unable to parse refresh token");
            }
            if levers.revoked || claims["gnt"] != levers.grant {
                return deny("invalid_grant", "grant does not exist");
            }
            if claims["cnt"] != levers.counter {
                return deny("unauthorized_client", "token was already used");
            }
        } else {
            if !levers.codes.contains(&field("code")) {
                return deny("unauthorized_client", "client is not authorized");
            }
            if field("code_verifier") != VERIFIER {
                return deny("unauthorized_client", "failed PKCE code challenge");
            }
            if field("redirect_uri") != REDIRECT {
                return deny("unauthorized_client", "unexpected redirect URI");
            }
            levers.codes.retain(|code| *code != field("code"));
        }
        let (access, next) = fake.issue(levers);
        if let Some(canned) = &levers.token_after_commit {
            return canned.reply();
        }
        let mut body = json!({"access_token": access, "token_type": "bearer", "expires_in": levers.access_life});
        if !levers.omit_refresh_token {
            body["refresh_token"] = json!(next);
        }
        Canned::json(200, &body).reply()
    })
}

async fn user(State(fake): State<FakeForgejo>, headers: HeaderMap) -> Reply {
    fake.user_arrived.notify_one();
    fake.user_gate.acquire().await.unwrap().forget();
    fake.user_gate.add_permits(1);
    fake.set(|levers| {
        levers.seen.users += 1;
        if let Some(canned) = &levers.user {
            return canned.reply();
        }
        if !fake.accepts(&headers, levers) {
            return Canned::message(401, "user does not exist [uid: 0, name: ]").reply();
        }
        let body = json!({"id": 42, "login": "alice", "full_name": "Alice \u{202e}A.", "email": "a@example.org"});
        Canned::json(200, &body).reply()
    })
}

async fn userinfo(State(fake): State<FakeForgejo>, headers: HeaderMap) -> Reply {
    fake.set(|levers| {
        levers.seen.userinfos += 1;
        if let Some(canned) = &levers.userinfo {
            return canned.reply();
        }
        if !fake.accepts(&headers, levers) {
            return Response::builder().status(401).body(Body::from("no valid authorization")).unwrap();
        }
        Canned::json(
            200,
            &json!({"sub": "42", "name": "Alice", "preferred_username": "alice", "email": "a@example.org"}),
        )
        .reply()
    })
}

async fn introspect(
    State(fake): State<FakeForgejo>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Reply {
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    if headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(&format!("Basic {expected}")) {
        return Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"\"")
            .body(Body::from("no valid authorization"))
            .unwrap();
    }
    fake.set(|levers| {
        let token = form.iter().find(|(key, _)| key == "token").map(|(_, value)| value.clone()).unwrap_or_default();
        let body = if !levers.revoked && claims(&token)["gnt"] == levers.grant {
            json!({"active": true, "scope": levers.scope, "username": "alice", "sub": "42"})
        } else {
            json!({"active": false})
        };
        Canned::json(200, &body).reply()
    })
}

async fn version(State(fake): State<FakeForgejo>, headers: HeaderMap) -> Reply {
    fake.set(|levers| {
        if headers.contains_key(header::AUTHORIZATION) && !fake.accepts(&headers, levers) {
            return Canned::message(401, "user does not exist [uid: 0, name: ]").reply();
        }
        Canned::json(200, &json!({"version": "11.0.15+gitea-1.22.0"})).reply()
    })
}
