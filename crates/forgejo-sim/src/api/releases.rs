//! Releases and their assets.
//!
//! Whoever may write to a repository may add an asset with `external_url`, and that URL comes back as
//! `browser_download_url` to everybody: the bait for clients that send their token there.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::model::{
    Place,
    release::Release,
    repo::{Access, Repo},
};

use super::{
    attachments::{self, Upload},
    call::{ApiError, ApiResult, Call, created, done, ok},
    multipart,
    route::{REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/releases", REPO, list),
    signed("POST", "repos/{owner}/{repo}/releases", REPO, create),
    open("GET", "repos/{owner}/{repo}/releases/latest", REPO, latest),
    open("GET", "repos/{owner}/{repo}/releases/tags/{tag}", REPO, by_tag),
    signed("DELETE", "repos/{owner}/{repo}/releases/tags/{tag}", REPO, delete_by_tag),
    open("GET", "repos/{owner}/{repo}/releases/{id}", REPO, get),
    signed("PATCH", "repos/{owner}/{repo}/releases/{id}", REPO, edit),
    signed("DELETE", "repos/{owner}/{repo}/releases/{id}", REPO, delete),
    open("GET", "repos/{owner}/{repo}/releases/{id}/assets", REPO, assets),
    signed("POST", "repos/{owner}/{repo}/releases/{id}/assets", REPO, add_asset),
    open("GET", "repos/{owner}/{repo}/releases/{id}/assets/{asset}", REPO, asset),
    signed("PATCH", "repos/{owner}/{repo}/releases/{id}/assets/{asset}", REPO, edit_asset),
    signed("DELETE", "repos/{owner}/{repo}/releases/{id}/assets/{asset}", REPO, delete_asset),
];

#[derive(Deserialize)]
struct ReleaseOption {
    #[serde(default)]
    tag_name: String,
    #[serde(default)]
    target_commitish: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    body: String,
    draft: Option<bool>,
    prerelease: Option<bool>,
}

/// A release that the caller may see: drafts are for writers.
fn find<'a>(call: &Call<'_>, repo: &'a Repo, wanted: impl Fn(&Release) -> bool) -> Result<&'a Release, ApiError> {
    let writes = call.state.access(call.doer, repo) >= Access::Write;
    let found = repo.releases.iter().find(|release| wanted(release) && (writes || !release.draft));
    found.ok_or_else(ApiError::not_found)
}

fn show(call: &Call<'_>, repo: i64, id: i64, is_new: bool) -> ApiResult {
    let repo = &call.state.repos[&repo];
    let release = find(call, repo, |release| release.id == id)?;
    let body = call.render().release(repo, release);
    if is_new { created(&body) } else { ok(&body) }
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let writes = call.state.access(call.doer, repo) >= Access::Write;
    let asked = |name: &str, is: bool| call.query(name).is_empty() || call.query_flag(name) == is;
    let shown = repo.releases.iter().rev().filter(|release| {
        (writes || !release.draft) && asked("draft", release.draft) && asked("pre-release", release.prerelease)
    });
    call.page(shown.map(|release| call.render().release(repo, release)).collect())
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let repo = call.repo_id(Access::Read)?;
    show(call, repo, call.number(2)?, false)
}

fn latest(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let release = repo.releases.iter().rev().find(|release| !release.draft && !release.prerelease);
    ok(&call.render().release(repo, release.ok_or_else(ApiError::not_found)?))
}

fn by_tag(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let release = find(call, repo, |release| release.tag == call.param(2))?;
    ok(&call.render().release(repo, release))
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: ReleaseOption = call.body()?;
    if option.tag_name.is_empty() {
        return Err(ApiError::invalid("[TagName]: Required"));
    }
    let (author, now) = (call.doer_id()?, call.now);
    let id = call.state.next_id("release");
    let repo = call.repo(Access::Write)?;
    if repo.releases.iter().any(|release| release.tag == option.tag_name) {
        return Err(ApiError::new(http::StatusCode::CONFLICT, "Release is has no Tag"));
    }
    let target = if option.target_commitish.is_empty() { repo.default_branch.clone() } else { option.target_commitish };
    let draft = option.draft.unwrap_or_default();
    if !draft && !repo.git.tags.contains_key(&option.tag_name) {
        let sha = repo.resolve(&target).ok_or_else(ApiError::not_found)?.sha.clone();
        repo.git.tags.insert(option.tag_name.clone(), sha);
    }
    repo.releases.push(Release {
        id,
        title: if option.name.is_empty() { option.tag_name.clone() } else { option.name },
        tag: option.tag_name,
        target,
        note: option.body,
        draft,
        prerelease: option.prerelease.unwrap_or_default(),
        author,
        created: now,
    });
    let repo = repo.id;
    show(call, repo, id, true)
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: ReleaseOption = call.body()?;
    let id = call.number(2)?;
    let repo = call.repo(Access::Write)?;
    let release = repo.releases.iter_mut().find(|release| release.id == id).ok_or_else(ApiError::not_found)?;
    let set = |field: &mut String, value: String| {
        if !value.is_empty() {
            *field = value;
        }
    };
    set(&mut release.tag, option.tag_name);
    set(&mut release.target, option.target_commitish);
    set(&mut release.title, option.name);
    set(&mut release.note, option.body);
    release.draft = option.draft.unwrap_or(release.draft);
    release.prerelease = option.prerelease.unwrap_or(release.prerelease);
    let repo = repo.id;
    show(call, repo, id, false)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let id = call.number(2)?;
    remove(call, |release| release.id == id)
}

fn delete_by_tag(call: &mut Call<'_>) -> ApiResult {
    let tag = call.param(2).to_owned();
    remove(call, |release| release.tag == tag)
}

fn remove(call: &mut Call<'_>, wanted: impl Fn(&Release) -> bool) -> ApiResult {
    let repo = call.repo(Access::Write)?;
    let id = repo.releases.iter().find(|release| wanted(release)).ok_or_else(ApiError::not_found)?.id;
    repo.releases.retain(|release| release.id != id);
    call.state.attachments.retain(|_, asset| asset.place != Place::Release(id));
    done()
}

/// The release's place, for its assets.
fn place(call: &Call<'_>, wanted: Access) -> Result<(i64, Place), ApiError> {
    let (repo, id) = (call.repo_id(wanted)?, call.number(2)?);
    find(call, &call.state.repos[&repo], |release| release.id == id)?;
    Ok((repo, Place::Release(id)))
}

fn assets(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = place(call, Access::Read)?;
    ok(&Value::Array(call.render().assets(&call.state.repos[&repo], place)))
}

/// A file as multipart (`attachment`) or as the body, or a URL elsewhere as the field `external_url`.
fn add_asset(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = place(call, Access::Write)?;
    let named = call.query("name").to_owned();
    let upload = match multipart::parts(call.request) {
        Some(parts) => {
            let text = |name: &str| {
                let part = parts.iter().find(|part| part.name == name)?;
                String::from_utf8(part.content.to_vec()).ok().filter(|text| !text.is_empty())
            };
            match text("external_url") {
                Some(url) => external(&named, url)?,
                None => Upload::of(&parts, &named)?,
            }
        }
        None => match call.request.form_value("external_url") {
            "" if call.request.body.is_empty() => {
                return Err(ApiError::new(http::StatusCode::BAD_REQUEST, "no file attached"));
            }
            "" => Upload { name: named, content: call.request.body.clone(), external_url: None },
            url => external(&named, url.to_owned())?,
        },
    };
    attachments::add(call, repo, place, upload)
}

fn external(named: &str, url: String) -> Result<Upload, ApiError> {
    let parsed = url::Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let parsed = parsed.ok_or_else(|| ApiError::new(http::StatusCode::BAD_REQUEST, "invalid external URL"))?;
    let last = parsed.path_segments().and_then(Iterator::last).unwrap_or_default();
    let name = if named.is_empty() { last.to_owned() } else { named.to_owned() };
    Ok(Upload { name, content: Bytes::new(), external_url: Some(url) })
}

fn asset(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = place(call, Access::Read)?;
    attachments::get(call, repo, place, 3)
}

fn edit_asset(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = place(call, Access::Write)?;
    attachments::rename(call, repo, place, 3)
}

fn delete_asset(call: &mut Call<'_>) -> ApiResult {
    let (repo, place) = place(call, Access::Write)?;
    attachments::remove(call, repo, place, 3)
}
