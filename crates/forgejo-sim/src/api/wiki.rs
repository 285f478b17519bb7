//! Wiki pages.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::{
        git,
        repo::{Access, Repo, WikiPage},
    },
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/wiki/pages", REPO, list),
    signed("POST", "repos/{owner}/{repo}/wiki/new", REPO, create),
    open("GET", "repos/{owner}/{repo}/wiki/page/{title}", REPO, get),
    signed("PATCH", "repos/{owner}/{repo}/wiki/page/{title}", REPO, edit),
    signed("DELETE", "repos/{owner}/{repo}/wiki/page/{title}", REPO, delete),
    open("GET", "repos/{owner}/{repo}/wiki/revisions/{title}", REPO, revisions),
];

#[derive(Deserialize)]
struct PageOption {
    #[serde(default)]
    title: String,
    #[serde(default)]
    content_base64: String,
    #[serde(default)]
    message: String,
}

/// The form of a title in URLs.
fn sub_url(title: &str) -> String {
    title.replace(' ', "-")
}

/// The title that the third variable names, in either form.
fn find(call: &Call<'_>, repo: &Repo) -> Result<String, ApiError> {
    let wanted = call.param(2);
    let is_it = |title: &&String| *title == wanted || sub_url(title) == sub_url(wanted);
    repo.wiki.keys().find(is_it).cloned().ok_or_else(ApiError::not_found)
}

fn meta(call: &Call<'_>, repo: &Repo, title: &str, page: &WikiPage) -> Value {
    let author = call.state.users.get(&page.author);
    let person = json!({
        "name": author.map_or("Ghost", |user| &user.login), "email": author.map_or("", |user| &user.email),
        "date": rfc3339(page.updated),
    });
    let sub_url = sub_url(title);
    json!({
        "title": title, "sub_url": sub_url, "html_url": call.site.url(&format!("{}/wiki/{sub_url}", call.state.full_name(repo))),
        "last_commit": {"sha": git::blob_id(page.content.as_bytes()), "author": person, "commiter": person, "message": page.message},
    })
}

fn show(call: &Call<'_>, repo: i64, title: &str) -> Result<Value, ApiError> {
    let repo = &call.state.repos[&repo];
    let page = repo.wiki.get(title).ok_or_else(ApiError::not_found)?;
    let mut body = meta(call, repo, title, page);
    body["content_base64"] = json!(STANDARD.encode(&page.content));
    body["commit_count"] = json!(page.revisions);
    body["sidebar"] = json!("");
    body["footer"] = json!("");
    Ok(body)
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    if repo.wiki.is_empty() {
        return Err(ApiError::not_found());
    }
    call.page(repo.wiki.iter().map(|(title, page)| meta(call, repo, title, page)).collect())
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let title = find(call, &call.state.repos[&id])?;
    ok(&show(call, id, &title)?)
}

fn write(call: &mut Call<'_>, title: &str, option: &PageOption, revisions: i64) -> Result<i64, ApiError> {
    let bytes = STANDARD.decode(&option.content_base64).map_err(|error| ApiError::invalid(error.to_string()))?;
    let content = String::from_utf8(bytes).map_err(|_| ApiError::invalid("the content is not UTF-8"))?;
    let (author, updated) = (call.doer_id()?, call.now);
    let message = if option.message.is_empty() { format!("Update {title}") } else { option.message.clone() };
    let repo = call.repo(Access::Write)?;
    repo.wiki.insert(title.to_owned(), WikiPage { content, message, author, updated, revisions });
    Ok(repo.id)
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: PageOption = call.body()?;
    if option.title.is_empty() {
        return Err(ApiError::invalid("title is required"));
    }
    if call.repo(Access::Write)?.wiki.contains_key(&option.title) {
        return Err(ApiError::new(
            http::StatusCode::BAD_REQUEST,
            format!("wiki page already exists [title: {}]", option.title),
        ));
    }
    let id = write(call, &option.title, &option, 1)?;
    created(&show(call, id, &option.title)?)
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: PageOption = call.body()?;
    let id = call.repo_id(Access::Write)?;
    let old = find(call, &call.state.repos[&id])?;
    let page = call.repo(Access::Write)?.wiki.remove(&old);
    let title = if option.title.is_empty() { old } else { option.title.clone() };
    let id = write(call, &title, &option, page.map_or(1, |page| page.revisions + 1))?;
    ok(&show(call, id, &title)?)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Write)?;
    let title = find(call, &call.state.repos[&id])?;
    call.repo(Access::Write)?.wiki.remove(&title);
    done()
}

fn revisions(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let title = find(call, &call.state.repos[&id])?;
    let repo = &call.state.repos[&id];
    let last = meta(call, repo, &title, &repo.wiki[&title])["last_commit"].clone();
    ok(&json!({"commits": [last], "count": repo.wiki[&title].revisions}))
}
