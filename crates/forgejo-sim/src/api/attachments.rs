//! Attachments of issues and comments, and what release assets share with them.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    model::{Attachment, Place, repo::Access},
    secret,
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    multipart::{self, Part},
    route::{ISSUE, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/issues/{index}/assets", ISSUE, list_of_issue),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/assets", ISSUE, add_to_issue),
    open("GET", "repos/{owner}/{repo}/issues/{index}/assets/{asset}", ISSUE, get_of_issue),
    signed("PATCH", "repos/{owner}/{repo}/issues/{index}/assets/{asset}", ISSUE, rename_of_issue),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/assets/{asset}", ISSUE, remove_of_issue),
    open("GET", "repos/{owner}/{repo}/issues/comments/{id}/assets", ISSUE, list_of_comment),
    signed("POST", "repos/{owner}/{repo}/issues/comments/{id}/assets", ISSUE, add_to_comment),
    open("GET", "repos/{owner}/{repo}/issues/comments/{id}/assets/{asset}", ISSUE, get_of_comment),
    signed("PATCH", "repos/{owner}/{repo}/issues/comments/{id}/assets/{asset}", ISSUE, rename_of_comment),
    signed("DELETE", "repos/{owner}/{repo}/issues/comments/{id}/assets/{asset}", ISSUE, remove_of_comment),
];

/// A file, or a URL elsewhere, that becomes an attachment.
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) content: Bytes,
    pub(crate) external_url: Option<String>,
}

// === impl Upload ===

impl Upload {
    /// The file of a multipart form's field `attachment`.
    pub(crate) fn of(parts: &[Part], named: &str) -> Result<Self, ApiError> {
        let missing = || ApiError::new(StatusCode::BAD_REQUEST, "http: no such file");
        let part = parts.iter().find(|part| part.name == "attachment").ok_or_else(missing)?;
        let own_name = part.file_name.as_deref().unwrap_or_default();
        let name = if named.is_empty() { own_name } else { named };
        Ok(Self { name: name.to_owned(), content: part.content.clone(), external_url: None })
    }
}

/// Keeps an upload and shows it.
pub(crate) fn add(call: &mut Call<'_>, repo: i64, place: Place, upload: Upload) -> ApiResult {
    let (id, uuid) = (call.state.next_id("attachment"), secret::uuid());
    let Upload { name, content, external_url } = upload;
    let asset = Attachment { id, uuid: uuid.clone(), repo, name, content, created: call.now, external_url, place };
    let body = call.render().asset(&asset);
    call.state.attachments.insert(uuid, asset);
    created(&body)
}

fn find<'a>(call: &'a Call<'_>, repo: i64, place: Place, at: usize) -> Result<&'a Attachment, ApiError> {
    let id = call.number(at)?;
    let is_it = |asset: &&Attachment| asset.id == id && asset.repo == repo && asset.place == place;
    call.state.attachments.values().find(is_it).ok_or_else(ApiError::not_found)
}

/// Shows the attachment that a variable names.
pub(crate) fn get(call: &Call<'_>, repo: i64, place: Place, at: usize) -> ApiResult {
    ok(&call.render().asset(find(call, repo, place, at)?))
}

#[derive(Deserialize)]
struct EditOption {
    #[serde(default)]
    name: String,
    browser_download_url: Option<String>,
}

/// Renames an attachment; an external one may also be pointed elsewhere.
pub(crate) fn rename(call: &mut Call<'_>, repo: i64, place: Place, at: usize) -> ApiResult {
    let option: EditOption = call.body()?;
    let uuid = find(call, repo, place, at)?.uuid.clone();
    if let Some(asset) = call.state.attachments.get_mut(&uuid) {
        if !option.name.is_empty() {
            asset.name = option.name;
        }
        if asset.external_url.is_some() && option.browser_download_url.is_some() {
            asset.external_url = option.browser_download_url;
        }
    }
    created(&call.render().asset(&call.state.attachments[&uuid]))
}

/// Deletes an attachment.
pub(crate) fn remove(call: &mut Call<'_>, repo: i64, place: Place, at: usize) -> ApiResult {
    let uuid = find(call, repo, place, at)?.uuid.clone();
    call.state.attachments.remove(&uuid);
    done()
}

/// Writing is for the poster and for those who may write to the repository.
fn of_issue(call: &mut Call<'_>, writes: bool) -> Result<(i64, Place), ApiError> {
    let (repo, _) = call.issue_place()?;
    let issue = if writes { call.issue_to_write()? } else { call.issue()? };
    Ok((repo, Place::Issue(issue.id)))
}

fn of_comment(call: &mut Call<'_>, writes: bool) -> Result<(i64, Place), ApiError> {
    let (repo, id) = (call.repo_id(Access::Read)?, call.number(2)?);
    let row = &call.state.repos[&repo];
    let mut comments = row.issues.values().flat_map(|issue| &issue.comments);
    let comment = comments.find(|comment| comment.id == id).ok_or_else(ApiError::not_found)?;
    if writes && Some(comment.poster) != call.doer && call.state.access(call.doer, row) < Access::Write {
        return Err(ApiError::forbidden("user should have a permission to write to a repo"));
    }
    Ok((repo, Place::Comment(id)))
}

fn list(call: &Call<'_>, (repo, place): (i64, Place)) -> ApiResult {
    ok(&Value::Array(call.render().assets(&call.state.repos[&repo], place)))
}

fn upload(call: &mut Call<'_>, (repo, place): (i64, Place)) -> ApiResult {
    let parts = multipart::parts(call.request).unwrap_or_default();
    let file = Upload::of(&parts, call.query("name"))?;
    add(call, repo, place, file)
}

fn list_of_issue(call: &mut Call<'_>) -> ApiResult {
    let at = of_issue(call, false)?;
    list(call, at)
}

fn add_to_issue(call: &mut Call<'_>) -> ApiResult {
    let at = of_issue(call, true)?;
    upload(call, at)
}

fn get_of_issue(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = of_issue(call, false)?;
    get(call, repo, place, 3)
}

fn rename_of_issue(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = of_issue(call, true)?;
    rename(call, repo, place, 3)
}

fn remove_of_issue(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = of_issue(call, true)?;
    remove(call, repo, place, 3)
}

fn list_of_comment(call: &mut Call<'_>) -> ApiResult {
    let at = of_comment(call, false)?;
    list(call, at)
}

fn add_to_comment(call: &mut Call<'_>) -> ApiResult {
    let at = of_comment(call, true)?;
    upload(call, at)
}

fn get_of_comment(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = of_comment(call, false)?;
    get(call, repo, place, 3)
}

fn rename_of_comment(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = of_comment(call, true)?;
    rename(call, repo, place, 3)
}

fn remove_of_comment(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = of_comment(call, true)?;
    remove(call, repo, place, 3)
}
