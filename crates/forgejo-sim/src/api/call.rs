//! One API call under way: who calls, with what, on which state; and the answers in Forgejo's form.

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    model::{
        State,
        account::{Org, User},
        issue::Issue,
        repo::{Access, Repo},
    },
    scope::ApiScope,
    site::Site,
    wire::{self, Request, Response},
};

pub(crate) type ApiResult = Result<Response, ApiError>;

/// A refusal: the status and the `message` of its body.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

pub(crate) struct Call<'a> {
    pub(crate) site: &'a Site,
    pub(crate) state: &'a mut State,
    pub(crate) request: &'a Request,
    /// Values of the route's variables.
    pub(crate) params: Vec<String>,
    pub(crate) doer: Option<i64>,
    /// Rights of the token; `None` with a password or without a credential.
    pub(crate) scope: Option<ApiScope>,
    pub(crate) now: i64,
}

// === impl ApiError ===

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "The target couldn't be found.")
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(crate) fn into_response(self, site: &Site) -> Response {
        let url = site.url("api/swagger");
        let body = if self.status == StatusCode::NOT_FOUND {
            json!({"errors": [], "message": self.message, "url": url})
        } else {
            json!({"message": self.message, "url": url})
        };
        wire::json(self.status, &body)
    }
}

// === impl Call ===

impl Call<'_> {
    /// A variable of the path.
    pub(crate) fn param(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }

    /// A number in the path; anything else is not found.
    pub(crate) fn number(&self, at: usize) -> Result<i64, ApiError> {
        self.param(at).parse().map_err(|_| ApiError::not_found())
    }

    pub(crate) fn query(&self, name: &str) -> &str {
        self.request.query.value(name)
    }

    /// A query parameter that is a time; 0 when absent.
    pub(crate) fn query_time(&self, name: &str) -> i64 {
        crate::clock::parse_rfc3339(self.query(name)).unwrap_or_default()
    }

    pub(crate) fn query_flag(&self, name: &str) -> bool {
        matches!(self.query(name), "true" | "1" | "on" | "t" | "T" | "TRUE")
    }

    /// The body as JSON. Members that are null count as absent, as for Go's decoder.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let invalid = |error: serde_json::Error| ApiError::invalid(format!("[]: {error}"));
        let bytes: &[u8] = if self.request.body.is_empty() { b"{}" } else { &self.request.body };
        let mut body: Value = serde_json::from_slice(bytes).map_err(invalid)?;
        drop_nulls(&mut body);
        serde_json::from_value(body).map_err(invalid)
    }

    /// The id of the caller; 401 without one.
    pub(crate) fn doer_id(&self) -> Result<i64, ApiError> {
        self.doer.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "token is required"))
    }

    pub(crate) fn doer(&self) -> Result<&User, ApiError> {
        let id = self.doer_id()?;
        self.state.users.get(&id).ok_or_else(ApiError::not_found)
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.doer.and_then(|id| self.state.users.get(&id)).is_some_and(|user| user.admin)
    }

    /// Whether the caller, with his token, may see a repository.
    pub(crate) fn may_see(&self, repo: &Repo) -> bool {
        let public_only = self.scope.as_ref().is_some_and(ApiScope::is_public_only);
        self.state.access(self.doer, repo) >= Access::Read && !(public_only && repo.private)
    }

    /// Id of the repository that the first two variables name. What the caller may not see is not found.
    pub(crate) fn repo_id(&self, wanted: Access) -> Result<i64, ApiError> {
        let repo = self.state.repo(self.param(0), self.param(1)).ok_or_else(ApiError::not_found)?;
        self.check_repo(repo, wanted)?;
        Ok(repo.id)
    }

    pub(crate) fn check_repo(&self, repo: &Repo, wanted: Access) -> Result<(), ApiError> {
        let public_only = self.scope.as_ref().is_some_and(ApiScope::is_public_only);
        if repo.private && public_only {
            return Err(ApiError::forbidden("token scope is limited to public repos"));
        }
        let has = self.state.access(self.doer, repo);
        if has < Access::Read {
            return Err(ApiError::not_found());
        }
        if has < wanted {
            return Err(ApiError::forbidden(match wanted {
                Access::Admin => "user should be an owner or a collaborator with admin write of a repository",
                _ => "user should have a permission to write to a repo",
            }));
        }
        if wanted >= Access::Write && repo.archived {
            return Err(ApiError::new(StatusCode::LOCKED, format!("{} is archived", self.state.full_name(repo))));
        }
        Ok(())
    }

    /// The repository that the first two variables name.
    pub(crate) fn repo(&mut self, wanted: Access) -> Result<&mut Repo, ApiError> {
        let id = self.repo_id(wanted)?;
        self.state.repos.get_mut(&id).ok_or_else(ApiError::not_found)
    }

    /// The repository's id and an issue's number: the third variable.
    pub(crate) fn issue_place(&self) -> Result<(i64, i64), ApiError> {
        let repo = self.repo_id(Access::Read)?;
        let number = self.number(2)?;
        self.state.repos[&repo].issues.get(&number).ok_or_else(ApiError::not_found)?;
        Ok((repo, number))
    }

    pub(crate) fn issue(&mut self) -> Result<&mut Issue, ApiError> {
        let (repo, number) = self.issue_place()?;
        self.state.repos.get_mut(&repo).and_then(|repo| repo.issues.get_mut(&number)).ok_or_else(ApiError::not_found)
    }

    /// Writing to an issue is for its poster and for those who may write to the repository.
    pub(crate) fn issue_to_write(&mut self) -> Result<&mut Issue, ApiError> {
        let doer = self.doer_id()?;
        let (repo, number) = self.issue_place()?;
        let repo = &self.state.repos[&repo];
        if self.state.access(Some(doer), repo) < Access::Write && repo.issues[&number].poster != doer {
            return Err(ApiError::forbidden("user should have a permission to write to a repo"));
        }
        self.issue()
    }

    /// The organisation that the first variable names.
    pub(crate) fn org(&self) -> Result<&Org, ApiError> {
        let org = self.state.org(self.param(0)).ok_or_else(ApiError::not_found)?;
        let is_member = self.doer.is_some_and(|doer| org.has_member(doer));
        if org.visibility == "public" || is_member || self.is_admin() { Ok(org) } else { Err(ApiError::not_found()) }
    }

    /// The organisation, for its owners and site administrators.
    pub(crate) fn own_org(&mut self) -> Result<&mut Org, ApiError> {
        let doer = self.doer_id()?;
        let org = self.org()?;
        if !org.is_owner(doer) && !self.is_admin() {
            return Err(ApiError::forbidden("Must be an organization owner"));
        }
        let id = org.id;
        self.state.orgs.get_mut(&id).ok_or_else(ApiError::not_found)
    }

    /// One page of a list, with the total in `X-Total-Count`: 30 items unless asked, 50 at most.
    pub(crate) fn page(&self, items: Vec<Value>) -> ApiResult {
        let (page, limit) = self.page_and_limit();
        let total = items.len();
        let shown: Vec<Value> = items.into_iter().skip((page - 1) * limit).take(limit).collect();
        self.counted(&Value::Array(shown), total)
    }

    /// An answer with the headers of a list.
    #[expect(clippy::unnecessary_wraps, reason = "handlers answer with a result")]
    pub(crate) fn counted(&self, body: &Value, total: usize) -> ApiResult {
        let mut response = wire::json(StatusCode::OK, body);
        wire::set_header(&mut response, "x-total-count", &total.to_string());
        wire::set_header(&mut response, "access-control-expose-headers", "X-Total-Count, Link");
        let (page, limit) = self.page_and_limit();
        let last = total.div_ceil(limit);
        let mut links = Vec::new();
        let mut link = |to: usize, rel: &str| links.push(format!("<{}>; rel=\"{rel}\"", self.page_url(to)));
        if page < last {
            link(page + 1, "next");
            link(last, "last");
        }
        if page > 1 {
            link(1, "first");
            link(page - 1, "prev");
        }
        if !links.is_empty() {
            wire::set_header(&mut response, "link", &links.join(","));
        }
        Ok(response)
    }

    pub(crate) fn page_and_limit(&self) -> (usize, usize) {
        let read = |name: &str| self.query(name).parse::<usize>().unwrap_or_default();
        let limit = match read("limit") {
            0 => 30,
            limit => limit.min(50),
        };
        (read("page").max(1), limit)
    }

    /// The request's own URL with another page; whatever else the query held stays, a token too, as in Forgejo.
    fn page_url(&self, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.request.query.pairs().iter().filter(|(name, _)| name != "page"));
        query.append_pair("page", &page.to_string());
        let plain = self.site.url(self.request.path.trim_start_matches('/'));
        let path = url::Url::parse(&plain).map_or(plain, String::from);
        format!("{path}?{}", query.finish())
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// 200 with a body.
pub(crate) fn ok(body: &Value) -> ApiResult {
    reply(StatusCode::OK, body)
}

/// 201 with a body.
pub(crate) fn created(body: &Value) -> ApiResult {
    reply(StatusCode::CREATED, body)
}

/// 204 without a body.
#[expect(clippy::unnecessary_wraps, reason = "handlers answer with a result")]
pub(crate) fn done() -> ApiResult {
    Ok(wire::empty(StatusCode::NO_CONTENT))
}

#[expect(clippy::unnecessary_wraps, reason = "handlers answer with a result")]
pub(crate) fn reply(status: StatusCode, body: &Value) -> ApiResult {
    Ok(wire::json(status, body))
}
