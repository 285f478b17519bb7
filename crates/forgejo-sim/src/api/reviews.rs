//! Reviews of pull requests.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::{
        issue::{Pull, Review},
        repo::{Access, Repo},
    },
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    issues::user_ids,
    pulls,
    route::{REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/pulls/{index}/reviews", REPO, list),
    signed("POST", "repos/{owner}/{repo}/pulls/{index}/reviews", REPO, create),
    open("GET", "repos/{owner}/{repo}/pulls/{index}/reviews/{id}", REPO, get),
    signed("POST", "repos/{owner}/{repo}/pulls/{index}/reviews/{id}", REPO, submit),
    signed("DELETE", "repos/{owner}/{repo}/pulls/{index}/reviews/{id}", REPO, delete),
    open("GET", "repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments", REPO, comments),
    signed("POST", "repos/{owner}/{repo}/pulls/{index}/reviews/{id}/dismissals", REPO, dismiss),
    signed("POST", "repos/{owner}/{repo}/pulls/{index}/reviews/{id}/undismissals", REPO, undismiss),
    signed("POST", "repos/{owner}/{repo}/pulls/{index}/requested_reviewers", REPO, request),
    signed("DELETE", "repos/{owner}/{repo}/pulls/{index}/requested_reviewers", REPO, unrequest),
];

#[derive(Deserialize)]
struct Remark {
    #[serde(default)]
    path: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    new_position: i64,
    #[serde(default)]
    old_position: i64,
}

#[derive(Deserialize)]
struct ReviewOption {
    #[serde(default)]
    event: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    commit_id: String,
    #[serde(default)]
    comments: Vec<Remark>,
}

fn pull<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Pull, ApiError> {
    pulls::place(call)?;
    call.issue()?.pull.as_mut().ok_or_else(ApiError::not_found)
}

fn review<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Review, ApiError> {
    let id = call.number(3)?;
    pull(call)?.reviews.iter_mut().find(|review| review.id == id).ok_or_else(ApiError::not_found)
}

fn json_of(call: &Call<'_>, repo: &Repo, number: i64, review: &Review) -> Value {
    let page = call.site.url(&format!("{}/pulls/{number}", call.state.full_name(repo)));
    json!({
        "id": review.id, "user": call.render().user_by_id(review.user), "team": null, "state": review.state, "body": review.body,
        "commit_id": review.commit, "stale": false, "official": false, "dismissed": review.dismissed,
        "comments_count": review.remarks.len(), "submitted_at": rfc3339(review.submitted), "updated_at": rfc3339(review.submitted),
        "html_url": format!("{page}#issuecomment-{}", review.id), "pull_request_url": page,
    })
}

fn show(call: &Call<'_>, id: i64) -> Result<Value, ApiError> {
    let (repo, number) = pulls::place(call)?;
    let repo = &call.state.repos[&repo];
    let reviews = repo.issues[&number].pull.as_ref().map(|pull| &pull.reviews);
    let review = reviews.and_then(|list| list.iter().find(|review| review.id == id)).ok_or_else(ApiError::not_found)?;
    Ok(json_of(call, repo, number, review))
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let (repo, number) = pulls::place(call)?;
    let repo = &call.state.repos[&repo];
    let reviews = repo.issues[&number].pull.iter().flat_map(|pull| &pull.reviews);
    let visible = reviews.filter(|review| review.state != "PENDING" || Some(review.user) == call.doer);
    call.page(visible.map(|review| json_of(call, repo, number, review)).collect())
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = review(call)?.id;
    ok(&show(call, id)?)
}

fn state_of(event: &str) -> Result<&'static str, ApiError> {
    match event {
        "APPROVED" | "APPROVE" => Ok("APPROVED"),
        "REQUEST_CHANGES" => Ok("REQUEST_CHANGES"),
        "COMMENT" => Ok("COMMENT"),
        "" | "PENDING" => Ok("PENDING"),
        other => Err(ApiError::invalid(format!("unknown review type: {other}"))),
    }
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: ReviewOption = call.body()?;
    let state = state_of(&option.event)?;
    let (user, now) = (call.doer_id()?, call.now);
    let (_, number) = pulls::place(call)?;
    let poster = call.issue()?.poster;
    if poster == user && matches!(state, "APPROVED" | "REQUEST_CHANGES") {
        let what = if state == "APPROVED" { "approve" } else { "reject" };
        return Err(ApiError::invalid(format!("{what} your own pull is not allowed")));
    }
    if state == "COMMENT" && option.body.is_empty() && option.comments.is_empty() {
        return Err(ApiError::invalid(format!("review event COMMENT requires a body or a comment [pull: {number}]")));
    }
    let id = call.state.next_id("review");
    let review = Review {
        id,
        user,
        state: state.to_owned(),
        body: option.body,
        commit: option.commit_id,
        submitted: now,
        dismissed: false,
        remarks: option.comments.into_iter().map(|r| (r.path, r.new_position.max(r.old_position), r.body)).collect(),
    };
    let pull = pull(call)?;
    pull.reviewers.remove(&user);
    pull.reviews.push(review);
    ok(&show(call, id)?)
}

fn submit(call: &mut Call<'_>) -> ApiResult {
    let option: ReviewOption = call.body()?;
    let (state, doer, now) = (state_of(&option.event)?, call.doer_id()?, call.now);
    let review = review(call)?;
    if review.user != doer || review.state != "PENDING" {
        return Err(ApiError::invalid("review is not pending"));
    }
    state.clone_into(&mut review.state);
    if !option.body.is_empty() {
        review.body = option.body;
    }
    review.submitted = now;
    let id = review.id;
    ok(&show(call, id)?)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    let is_admin = call.is_admin();
    let review = review(call)?;
    if review.user != doer && !is_admin {
        return Err(ApiError::forbidden("user is not the author of this review"));
    }
    let id = review.id;
    pull(call)?.reviews.retain(|review| review.id != id);
    done()
}

fn comments(call: &mut Call<'_>) -> ApiResult {
    let id = review(call)?.id;
    let (repo, number) = pulls::place(call)?;
    let repo = &call.state.repos[&repo];
    let pull = repo.issues[&number].pull.as_ref();
    let review =
        pull.and_then(|pull| pull.reviews.iter().find(|review| review.id == id)).ok_or_else(ApiError::not_found)?;
    let page = call.site.url(&format!("{}/pulls/{number}", call.state.full_name(repo)));
    let remarks = review.remarks.iter().enumerate().map(|(at, (path, line, body))| {
        json!({
            "id": review.id * 1000 + i64::try_from(at).unwrap_or_default(), "body": body, "user": call.render().user_by_id(review.user),
            "resolver": null, "pull_request_review_id": review.id, "created_at": rfc3339(review.submitted),
            "updated_at": rfc3339(review.submitted), "path": path, "commit_id": review.commit, "original_commit_id": "",
            "diff_hunk": "", "position": line, "original_position": 0, "html_url": page, "pull_request_url": page,
        })
    });
    ok(&Value::Array(remarks.collect()))
}

fn dismiss(call: &mut Call<'_>) -> ApiResult {
    set_dismissed(call, true)
}

fn undismiss(call: &mut Call<'_>) -> ApiResult {
    set_dismissed(call, false)
}

fn set_dismissed(call: &mut Call<'_>, dismissed: bool) -> ApiResult {
    call.repo_id(Access::Admin)?;
    let review = review(call)?;
    review.dismissed = dismissed;
    let id = review.id;
    ok(&show(call, id)?)
}

#[derive(Deserialize)]
struct ReviewersOption {
    #[serde(default)]
    reviewers: Vec<String>,
}

fn request(call: &mut Call<'_>) -> ApiResult {
    let option: ReviewersOption = call.body()?;
    call.repo_id(Access::Write)?;
    let ids = user_ids(call, &option.reviewers)?;
    let pull = pull(call)?;
    pull.reviewers.extend(&ids);
    let commit = pull.head.clone();
    let rows: Vec<Value> = ids
        .into_iter()
        .map(|user| json!({"id": 0, "user": call.render().user_by_id(user), "state": "REQUEST_REVIEW", "body": "", "commit_id": commit,
            "dismissed": false, "comments_count": 0, "submitted_at": rfc3339(call.now)}))
        .collect();
    created(&Value::Array(rows))
}

fn unrequest(call: &mut Call<'_>) -> ApiResult {
    let option: ReviewersOption = call.body()?;
    call.repo_id(Access::Write)?;
    let ids = user_ids(call, &option.reviewers)?;
    pull(call)?.reviewers.retain(|user| !ids.contains(user));
    done()
}
