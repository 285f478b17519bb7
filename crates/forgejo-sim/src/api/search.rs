//! Searching repositories, issues and topics.

use serde_json::{Value, json};

use crate::model::{State, repo::Repo};

use super::{
    call::{ApiResult, Call},
    issues::Filter,
    route::{ISSUE, NONE, REPO, Route, open},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/search", REPO, repos),
    open("GET", "repos/issues/search", ISSUE, issues),
    open("GET", "topics/search", NONE, topics),
    open("GET", "repositories/{id}", REPO, super::repos::by_id),
];

fn repos(call: &mut Call<'_>) -> ApiResult {
    let wanted = call.query("q").to_lowercase();
    let owner: i64 = call.query("uid").parse().unwrap_or_default();
    let exclusive = call.query_flag("exclusive");
    let (by_topic, in_description) = (call.query_flag("topic"), call.query_flag("includeDesc"));
    let private = match call.query("private") {
        "" => None,
        _ => Some(call.query_flag("private")),
    };
    let mut found = call.repos_where(|repo| {
        let named =
            repo.name.to_lowercase().contains(&wanted) || call.state.full_name(repo).to_lowercase().contains(&wanted);
        let described = in_description && repo.description.to_lowercase().contains(&wanted);
        let tagged = repo.topics.iter().any(|topic| if by_topic { *topic == wanted } else { topic.contains(&wanted) });
        (wanted.is_empty() || (!by_topic && (named || described)) || tagged)
            && (owner == 0 || repo.owner == owner || (!exclusive && takes_part(call.state, owner, repo)))
            && private.is_none_or(|private| repo.private == private)
    });
    sort(&mut found, call.query("sort"), call.query("order"));
    let (page, limit) = call.page_and_limit();
    let total = found.len();
    let data: Vec<Value> = found.into_iter().skip((page - 1) * limit).take(limit).collect();
    call.counted(&json!({"ok": true, "data": data}), total)
}

/// Whether a repository that a user does not own is among his when `uid` is given without `exclusive`: as a collaborator or by a team.
fn takes_part(state: &State, user: i64, repo: &Repo) -> bool {
    repo.collaborators.contains_key(&user) || state.orgs.get(&repo.owner).is_some_and(|org| org.has_member(user))
}

fn sort(found: &mut [Value], by: &str, order: &str) {
    let text = |repo: &Value, name: &str| repo[name].as_str().unwrap_or_default().to_lowercase();
    match by {
        "created" => found.sort_by_key(|repo| text(repo, "created_at")),
        "updated" => found.sort_by_key(|repo| text(repo, "updated_at")),
        "id" => found.sort_by_key(|repo| repo["id"].as_i64()),
        _ => found.sort_by_key(|repo| text(repo, "full_name")),
    }
    if order == "desc" {
        found.reverse();
    }
}

/// Issues over all repositories that the caller may see.
fn issues(call: &mut Call<'_>) -> ApiResult {
    let filter = Filter::of(call)?;
    let mut found = Vec::new();
    for repo in call.state.repos.values().filter(|repo| call.may_see(repo)) {
        if !call.query("owner").is_empty()
            && !call.state.owner_name(repo.owner).eq_ignore_ascii_case(call.query("owner"))
        {
            continue;
        }
        found.extend(repo.issues.values().filter(|issue| filter.lets(repo, issue)).map(|issue| (repo, issue)));
    }
    found.sort_by_key(|(_, issue)| std::cmp::Reverse((issue.created, issue.id)));
    call.page(found.into_iter().map(|(repo, issue)| call.render().issue(repo, issue)).collect())
}

fn topics(call: &mut Call<'_>) -> ApiResult {
    let wanted = call.query("q").to_lowercase();
    let visible = call.state.repos.values().filter(|repo| call.may_see(repo));
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for topic in visible.flat_map(|repo| &repo.topics).filter(|topic| topic.contains(&wanted)) {
        *counts.entry(topic).or_default() += 1;
    }
    let found: Vec<Value> = counts
        .iter()
        .enumerate()
        .map(|(id, (name, count))| json!({"id": id + 1, "topic_name": name, "repo_count": count}))
        .collect();
    let total = found.len();
    call.counted(&json!({"topics": found}), total)
}
