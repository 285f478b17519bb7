//! Which organisations and teams a user belongs to.

use http::{StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::answer::bearer;
use super::identity::refusal;
use super::{IdentityError, OAuthClient, Unreachable};

/// Small enough that a page of teams, each with its organisation, fits into what is read of one answer.
const PAGE: usize = 20;
/// Nobody belongs to more than this many pages.
const MOST_PAGES: usize = 100;

/// What a user belongs to. Ids last; names can change, and change hands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memberships {
    /// Organisations.
    pub organizations: Vec<Named>,
    /// Teams, named `organisation/team`.
    pub teams: Vec<Named>,
}

/// An organisation or a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Forgejo's numeric id.
    pub id: i64,
    /// Its name at present.
    pub name: String,
}

#[derive(Deserialize)]
struct ApiOrganization {
    id: i64,
    name: Option<String>,
    /// The only name in old versions.
    username: Option<String>,
}

#[derive(Deserialize)]
struct ApiTeam {
    id: i64,
    name: String,
    organization: Option<ApiOrganization>,
}

// === impl OAuthClient ===

impl OAuthClient {
    /// Organisations and teams of the token's user. Needs `read:user` and `read:organization`.
    pub async fn memberships(&self, access_token: &SecretString) -> Result<Memberships, IdentityError> {
        let organizations = pages::<ApiOrganization>(self, "api/v1/user/orgs", access_token).await?;
        let teams = pages::<ApiTeam>(self, "api/v1/user/teams", access_token).await?;
        let in_organization = |team: ApiTeam| {
            let organization = team.organization?.into_named()?;
            Some(Named { id: team.id, name: format!("{}/{}", organization.name, team.name) })
        };
        Ok(Memberships {
            organizations: organizations.into_iter().filter_map(ApiOrganization::into_named).collect(),
            teams: teams.into_iter().filter_map(in_organization).collect(),
        })
    }
}

// === impl ApiOrganization ===

impl ApiOrganization {
    fn into_named(self) -> Option<Named> {
        Some(Named { id: self.id, name: self.name.or(self.username)? })
    }
}

/// All pages of a list. An instance may give shorter pages than it is asked for, so only an empty one is the end.
async fn pages<T: DeserializeOwned>(
    client: &OAuthClient,
    path: &str,
    token: &SecretString,
) -> Result<Vec<T>, IdentityError> {
    let mut all = Vec::new();
    for page in 1..=MOST_PAGES {
        let url = page_url(client, path, page)?;
        let request = client.inner.outbound.client().get(url).header(header::AUTHORIZATION, bearer(token)?);
        let answer = client.send(request).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer, token)?);
        }
        let items: Vec<T> = answer.json().ok_or_else(|| answer.unexpected())?;
        let total = answer.headers.get("x-total-count").and_then(|total| total.to_str().ok()?.parse::<usize>().ok());
        let end = items.is_empty();
        all.extend(items);
        if end || total.is_some_and(|total| all.len() >= total) {
            return Ok(all);
        }
    }
    Err(Unreachable::because("Forgejo's list of the user's organisations has no end").into())
}

fn page_url(client: &OAuthClient, path: &str, page: usize) -> Result<Url, Unreachable> {
    let mut url = client
        .inner
        .endpoints
        .base
        .join(path)
        .map_err(|_| Unreachable::because("Forgejo's address can't be put together"))?;
    url.query_pairs_mut().append_pair("page", &page.to_string()).append_pair("limit", &PAGE.to_string());
    Ok(url)
}
