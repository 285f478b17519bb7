//! `api/v1/user/applications/oauth2`: the OAuth2 applications of a user of Forgejo, and how the broker's own is made.
//!
//! The secret is in the answer to the creation and nowhere afterwards.

use http::{HeaderValue, StatusCode, header};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Outbound, Unreachable, answer, answer::Answer, for_display};

/// As whom an application is made.
#[derive(Debug, Clone)]
pub enum Owner {
    /// By an access token with the scope `write:user`.
    Token(SecretString),
    /// By name and password. Forgejo refuses them for accounts with two-factor authentication.
    Password {
        /// Login name.
        user: String,
        /// Password.
        password: SecretString,
    },
}

/// The applications of one owner at one Forgejo.
#[derive(Debug, Clone)]
pub struct Applications {
    outbound: Outbound,
    url: Url,
    owner: Owner,
    user_agent: String,
}

/// An application as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownApplication {
    /// Its name, cleaned for display.
    pub name: String,
    /// Its client id, cleaned for display.
    pub client_id: String,
    /// Where it may send browsers.
    pub redirect_uris: Vec<String>,
}

/// An application that has just been made.
#[derive(Debug, Clone)]
pub struct CreatedApplication {
    /// Its client id.
    pub client_id: String,
    /// Its secret, which Forgejo shows this once.
    pub client_secret: SecretString,
}

/// Why an application was not made, or the list is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationsError {
    /// 401: the token, or name and password, are not good.
    #[error("Forgejo does not accept this login ({0})")]
    LoginRefused(String),
    /// 403: it may not do this.
    #[error("Forgejo does not allow it ({0})")]
    Forbidden(String),
    /// Another refusal, as 400 or 422.
    #[error("Forgejo refuses the application ({0})")]
    Refused(String),
    /// The answer is no application, or another one than was asked for.
    #[error("Forgejo made something else than was asked for: {0}")]
    Unexpected(&'static str),
    /// The login has characters that a header can't carry.
    #[error("the login has characters that a header can't carry")]
    Login,
    /// No answer that says anything.
    #[error("Forgejo gave no usable answer: {0}")]
    Unreachable(Unreachable),
}

#[derive(Serialize)]
struct NewApplication<'a> {
    name: &'a str,
    confidential_client: bool,
    redirect_uris: [&'a str; 1],
}

#[derive(Deserialize)]
struct Application {
    name: String,
    client_id: String,
    #[serde(default)]
    client_secret: String,
    #[serde(default)]
    confidential_client: bool,
    #[serde(default)]
    redirect_uris: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    message: String,
}

// === impl Applications ===

impl Applications {
    /// Those of `owner` at the Forgejo below `base`, which is http or https and may have a sub-path.
    #[must_use]
    pub fn new(outbound: Outbound, base: &Url, owner: Owner, user_agent: String) -> Self {
        let mut url = base.clone();
        let path = format!("{}/api/v1/user/applications/oauth2", base.path().trim_end_matches('/'));
        url.set_path(&path);
        Self { outbound, url, owner, user_agent }
    }

    /// The first fifty applications of the owner.
    pub async fn list(&self) -> Result<Vec<KnownApplication>, ApplicationsError> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("limit", "50");
        let answer = self.send(self.outbound.client().get(url)).await?;
        let applications: Vec<Application> = self.expect(&answer, StatusCode::OK)?;
        let known = applications.into_iter().map(|application| KnownApplication {
            name: for_display(&application.name, &[]),
            client_id: for_display(&application.client_id, &[]),
            redirect_uris: application.redirect_uris.unwrap_or_default(),
        });
        Ok(known.collect())
    }

    /// Makes a confidential application with one redirect URI.
    pub async fn create(&self, name: &str, redirect_uri: &str) -> Result<CreatedApplication, ApplicationsError> {
        let new = NewApplication { name, confidential_client: true, redirect_uris: [redirect_uri] };
        let answer = self.send(self.outbound.client().post(self.url.clone()).json(&new)).await?;
        let made: Application = self.expect(&answer, StatusCode::CREATED)?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(&made.client_id) || !plain(&made.client_secret) {
            return Err(ApplicationsError::Unexpected("it has no client id or secret"));
        }
        if !made.confidential_client {
            return Err(ApplicationsError::Unexpected("it is a public application"));
        }
        if !made.redirect_uris.unwrap_or_default().iter().any(|uri| uri == redirect_uri) {
            return Err(ApplicationsError::Unexpected("it has another redirect URI"));
        }
        Ok(CreatedApplication { client_id: made.client_id, client_secret: made.client_secret.into() })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, ApplicationsError> {
        let request = match &self.owner {
            Owner::Token(token) => {
                let value = HeaderValue::try_from(format!("token {}", token.expose_secret()));
                let mut value = value.map_err(|_| ApplicationsError::Login)?;
                value.set_sensitive(true);
                request.header(header::AUTHORIZATION, value)
            }
            Owner::Password { user, password } => request.basic_auth(user, Some(password.expose_secret())),
        };
        let sent = answer::send(request, &self.user_agent, self.outbound.total_timeout()).await;
        sent.map_err(ApplicationsError::Unreachable)
    }

    fn expect<T: serde::de::DeserializeOwned>(
        &self,
        answer: &Answer,
        status: StatusCode,
    ) -> Result<T, ApplicationsError> {
        if answer.status == status {
            return answer.json().ok_or_else(|| ApplicationsError::Unreachable(answer.unexpected()));
        }
        let Some(Message { message }) = answer.json::<Message>() else {
            return Err(ApplicationsError::Unreachable(answer.unexpected()));
        };
        let secret = match &self.owner {
            Owner::Token(secret) | Owner::Password { password: secret, .. } => secret.expose_secret(),
        };
        let message = format!("HTTP {}: {}", answer.status.as_u16(), for_display(&message, &[secret]));
        Err(match answer.status {
            StatusCode::UNAUTHORIZED => ApplicationsError::LoginRefused(message),
            StatusCode::FORBIDDEN => ApplicationsError::Forbidden(message),
            _ => ApplicationsError::Refused(message),
        })
    }
}
