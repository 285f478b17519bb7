//! The repositories that a user can see, asked for with his own credential: for pages on which he chooses some of them.
//!
//! What a search brings is what Forgejo shows to this user, and an id that somebody sends counts only after Forgejo has shown the
//! repository behind it.

use std::sync::Arc;

use http::{StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::oauth_client::{Answer, OAuthClient, Unreachable, bearer, for_display};
use crate::token_source::{After401, CredentialError, TokenSource};

/// An answer about twenty repositories with all that Forgejo says of each, several times over.
const BODY_LIMIT: usize = 1024 * 1024;
/// Repositories on one page of a search.
pub const PAGE: u32 = 20;

/// Looks up repositories as a user. Cheap to clone.
#[derive(Clone)]
pub struct Repositories {
    client: OAuthClient,
    tokens: Arc<dyn TokenSource>,
}

/// A repository as its user sees it. The texts are one line each, without control and direction characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Forgejo's id, which outlives renames.
    pub id: i64,
    /// `owner/name`.
    pub full_name: String,
    /// Often empty.
    pub description: String,
    /// Whether only some can see it.
    pub private: bool,
    /// Whether nobody can write to it.
    pub archived: bool,
}

/// One page of a search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// At most [`PAGE`].
    pub repositories: Vec<Repository>,
    /// How many there are on all pages, if Forgejo told.
    pub total: Option<u64>,
}

/// Why nothing could be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoriesError {
    /// There is no usable credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Forgejo refuses this request of the user: his login does not include reading repositories, or he is blocked.
    #[error("Forgejo does not let this login read repositories ({0})")]
    Refused(StatusCode),
    /// Forgejo can't be reached, or its answer is none of Forgejo's.
    #[error("Forgejo cannot be reached at present: {0}")]
    Unreachable(String),
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<ApiRepository>,
}

#[derive(Deserialize)]
struct ApiRepository {
    id: i64,
    full_name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    archived: bool,
}

// === impl Repositories ===

impl Repositories {
    /// Asks the Forgejo of `client` with tokens of `tokens`.
    #[must_use]
    pub fn new(client: OAuthClient, tokens: Arc<dyn TokenSource>) -> Self {
        Self { client, tokens }
    }

    /// Page `page`, from 1, of what `user` finds with `text`. Without a text: what he owns or has a part in (`forgejo_id` is he), the
    /// latest changes first.
    ///
    /// # Errors
    /// See [`RepositoriesError`].
    pub async fn search(
        &self,
        user: &Arc<str>,
        forgejo_id: i64,
        text: &str,
        page: u32,
    ) -> Result<Found, RepositoriesError> {
        let mut url = self.url("api/v1/repos/search")?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("page", &page.max(1).to_string()).append_pair("limit", &PAGE.to_string());
            if text.is_empty() {
                query.append_pair("uid", &forgejo_id.to_string());
                query.append_pair("sort", "updated").append_pair("order", "desc");
            } else {
                query.append_pair("q", text).append_pair("sort", "alpha");
            }
        }
        let answer = self.get(user, &url).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        let listing: Listing = answer.json().ok_or_else(|| unexpected(&answer))?;
        let total = answer.headers.get("x-total-count").and_then(|total| total.to_str().ok()?.parse().ok());
        Ok(Found { repositories: listing.data.into_iter().map(Repository::from).collect(), total })
    }

    /// The repository with this id, if `user` can see one.
    ///
    /// # Errors
    /// See [`RepositoriesError`].
    pub async fn by_id(&self, user: &Arc<str>, id: i64) -> Result<Option<Repository>, RepositoriesError> {
        let answer = self.get(user, &self.url(&format!("api/v1/repositories/{id}"))?).await?;
        match answer.status {
            StatusCode::OK => {
                let repository: ApiRepository = answer.json().ok_or_else(|| unexpected(&answer))?;
                Ok(Some(repository.into()).filter(|repository: &Repository| repository.id == id))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refusal(&answer)),
        }
    }

    fn url(&self, path: &str) -> Result<Url, RepositoriesError> {
        self.client.back_channel().join(path).map_err(|error| RepositoriesError::Unreachable(error.to_string()))
    }

    /// As the gateway does it: after a 401 once more, if there is another token.
    async fn get(&self, user: &Arc<str>, url: &Url) -> Result<Answer, RepositoriesError> {
        let token = self.tokens.access_token(Arc::clone(user)).await?;
        let answer = self.attempt(url, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match self.tokens.after_401(Arc::clone(user), token).await? {
            After401::Retry(token) => Ok(self.attempt(url, &token).await?),
            After401::Alive => Ok(answer),
        }
    }

    async fn attempt(&self, url: &Url, token: &SecretString) -> Result<Answer, Unreachable> {
        let request = self.client.request(url.clone()).header(header::AUTHORIZATION, bearer(token)?);
        self.client.send_within(request, BODY_LIMIT).await
    }
}

impl std::fmt::Debug for Repositories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repositories").field("client", &self.client).finish_non_exhaustive()
    }
}

fn refusal(answer: &Answer) -> RepositoriesError {
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RepositoriesError::Refused(answer.status),
        _ => unexpected(answer),
    }
}

fn unexpected(answer: &Answer) -> RepositoriesError {
    answer.unexpected().into()
}

impl From<Unreachable> for RepositoriesError {
    fn from(unreachable: Unreachable) -> Self {
        Self::Unreachable(unreachable.reason)
    }
}

impl From<ApiRepository> for Repository {
    fn from(repository: ApiRepository) -> Self {
        Self {
            id: repository.id,
            full_name: for_display(&repository.full_name, &[]),
            description: for_display(&repository.description.unwrap_or_default(), &[]),
            private: repository.private,
            archived: repository.archived,
        }
    }
}

#[cfg(test)]
mod tests;
