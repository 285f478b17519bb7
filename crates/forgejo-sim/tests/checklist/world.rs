//! A stand-in with two users, an administrator and an application, and the ways through it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use forgejo_sim::{NewApp, NewUser, OauthApp, Profile, RunningSim, SimConfig, Simulator};
use reqwest::StatusCode;
use serde_json::Value;

use crate::browser::{Browser, Page, client, form};

pub(crate) const CALLBACK: &str = "http://127.0.0.1:8080/oauth/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123456789";
pub(crate) const ALL: [Profile; 4] = [Profile::V11, Profile::V15, Profile::Main, Profile::Gitea];

pub(crate) struct World {
    pub(crate) sim: RunningSim,
    pub(crate) app: OauthApp,
}

#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) body: Value,
}

impl World {
    pub(crate) async fn start(profile: Profile) -> Self {
        Self::with(SimConfig { profile, ..SimConfig::default() }).await
    }

    pub(crate) async fn with(config: SimConfig) -> Self {
        let sim = Simulator::start(config).await.unwrap();
        sim.create_user(NewUser::new("alice", "alice-password").full_name("Alice Example"));
        sim.create_user(NewUser::new("bob", "bob-password"));
        sim.create_user(NewUser::new("root", "root-password").admin());
        sim.create_repo("alice", "hello", false).unwrap();
        sim.create_repo("alice", "priv", true).unwrap();
        let app = sim.create_app(NewApp::new("broker", CALLBACK));
        Self { sim, app }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.sim.url())
    }

    pub(crate) fn authorize_url(&self, app: &OauthApp, scope: &str, more: &[(&str, &str)]) -> String {
        let challenge = challenge();
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &app.client_id),
            ("redirect_uri", &app.redirect_uris[0]),
            ("state", "a state&more"),
            ("scope", scope),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in more {
            pairs.retain(|(known, _)| known != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        url::Url::parse_with_params(&self.url("login/oauth/authorize"), pairs).unwrap().to_string()
    }

    pub(crate) async fn log_in(&self, login: &str) -> Browser {
        let browser = Browser::default();
        let password = format!("{login}-password");
        let page = browser.post(&self.url("user/login"), &form(&[("user_name", login), ("password", &password)])).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        browser
    }

    /// Posts the consent page's form.
    pub(crate) async fn decide(&self, browser: &Browser, page: &Page, granted: bool) -> Page {
        let mut fields = page.fields();
        fields.push(("granted".to_owned(), granted.to_string()));
        browser.post(&self.url("login/oauth/grant"), &fields).await
    }

    /// The whole way to a code, with the consent page when there is one.
    pub(crate) async fn code_for(
        &self,
        browser: &Browser,
        app: &OauthApp,
        scope: &str,
        more: &[(&str, &str)],
    ) -> String {
        let mut page = browser.get(&self.authorize_url(app, scope, more)).await;
        if page.status == StatusCode::OK {
            page = self.decide(browser, &page, true).await;
        }
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        page.redirect_param("code").unwrap_or_else(|| panic!("no code in {}", page.location()))
    }

    pub(crate) async fn code(&self, login: &str, scope: &str) -> String {
        let browser = self.log_in(login).await;
        self.code_for(&browser, &self.app, scope, &[]).await
    }

    pub(crate) fn exchange_form(&self, code: &str) -> Vec<(String, String)> {
        form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", &self.app.client_id),
            ("client_secret", &self.app.client_secret),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
    }

    pub(crate) fn refresh_form(&self, token: &str) -> Vec<(String, String)> {
        form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.app.client_id),
            ("client_secret", &self.app.client_secret),
        ])
    }

    /// Posts to the token endpoint.
    pub(crate) async fn token(&self, form: &[(String, String)]) -> (StatusCode, Value) {
        let response = client().post(self.url("login/oauth/access_token")).form(form).send().await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap())
    }

    /// Posts to the token endpoint what must be refused: `error` and `error_description`.
    pub(crate) async fn refused(&self, form: &[(String, String)]) -> (String, String) {
        let (status, body) = self.token(form).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        (text("error"), text("error_description"))
    }

    pub(crate) async fn tokens(&self, login: &str, scope: &str) -> Tokens {
        let code = self.code(login, scope).await;
        let (status, body) = self.token(&self.exchange_form(&code)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        Tokens::of(body)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Tokens {
        let (status, body) = self.token(&self.refresh_form(token)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        Tokens::of(body)
    }

    /// An API call with a bearer token: status and body.
    pub(crate) async fn api(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
        let method = method.parse().unwrap();
        let mut request = client().request(method, self.url(&format!("api/v1/{path}")));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes))))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        self.api("GET", path, token, None).await
    }
}

impl Tokens {
    pub(crate) fn of(body: Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), body }
    }
}

pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes()))
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The pair as owned texts, for comparing with a refusal.
pub(crate) fn pair(error: &str, description: &str) -> (String, String) {
    (error.to_owned(), description.to_owned())
}
