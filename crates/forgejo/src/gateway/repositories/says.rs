//! What a request says beside its path: whether its body, its query or a comparison reaches for what was not chosen.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited as LimitedBody};
use serde_json::Value;

use super::{
    super::{
        body::Outgoing,
        exchange::forwarded_url,
        path::{RepositoryName, TargetPath},
        refusal::Refusal,
        upstream::{self, Forward},
    },
    Limited, answers, lists,
    members::Members,
    names::Certainty,
    references,
    template::Says,
};

/// The largest JSON body, in bytes: it has to be read whole.
const LARGEST: usize = 16 << 20;
/// References to other repositories that are looked up for one request.
const MOST_REFERENCES: usize = 32;
/// Commits of a pull request that are asked for at once, and pages of them that are looked through.
const COMMITS: usize = 50;
const MOST_COMMIT_PAGES: usize = 20;
const MERGED_TEXT: &str = "the text of the pull request or one of its commits";

/// Judges what a request says. The body that comes back is the one to forward.
pub(super) async fn judge(
    limited: &Limited<'_>,
    says: Says,
    body: Outgoing,
    content_type: Option<&HeaderValue>,
) -> Result<Outgoing, Refusal> {
    if says == Says::Compare {
        judge_comparison(limited)?;
    }
    if matches!(*limited.method, Method::GET | Method::HEAD) {
        return Ok(body);
    }
    let mut texts: Vec<String> = lists::pairs(limited.query).into_iter().map(|(_, value)| value).collect();
    let body = match (content_type.and_then(essence).as_deref(), body) {
        (_, Outgoing::None) => {
            judge_members(limited, says, &Members::default()).await?;
            Outgoing::None
        }
        (Some("application/json"), body) => {
            let bytes = whole(body).await?;
            let members = Members::read(&bytes).ok_or(Refusal::LimitedBody)?;
            judge_members(limited, says, &members).await?;
            members.texts(&mut texts);
            Outgoing::Whole(bytes)
        }
        (Some("multipart/form-data" | "application/octet-stream"), body) if says == Says::File => body,
        // `/markdown/raw` takes the text as it is.
        (Some("text/plain") | None, body) if says == Says::Render && limited.path.as_str().ends_with("/raw") => {
            let bytes = whole(body).await?;
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
            Outgoing::Whole(bytes)
        }
        _ => return Err(Refusal::LimitedBody),
    };
    let found = if says == Says::Render { references::find_previews } else { references::find };
    judge_references(limited, &texts, found, "the text").await?;
    Ok(body)
}

/// In a comparison a colon stands behind the owner, or owner and name, of another repository.
fn judge_comparison(limited: &Limited<'_>) -> Result<(), Refusal> {
    let own = limited.repository.as_ref().map(|(_, name)| name.owner.as_str());
    let Some(segments) = limited.path.api().and_then(|segments| segments.get(4..)) else {
        return Err(Refusal::BeyondChosen);
    };
    let text = segments.join("/");
    // The one form asks for two segments, the other has two or three dots in between.
    let sides = if limited.path.api().is_some_and(|segments| segments[3] == "pulls") {
        segments.to_vec()
    } else {
        text.split("..").map(|side| side.trim_start_matches('.').to_owned()).collect()
    };
    if sides.iter().all(|side| is_own_branch(side, own)) {
        Ok(())
    } else {
        Err(Refusal::NamesAnother("the comparison"))
    }
}

fn is_own_branch(branch: &str, own: Option<&str>) -> bool {
    branch.split_once(':').is_none_or(|(owner, branch)| own == Some(&*owner.to_lowercase()) && !branch.contains(':'))
}

async fn judge_members(limited: &Limited<'_>, says: Says, members: &Members) -> Result<(), Refusal> {
    match says {
        Says::Text | Says::File | Says::Compare => Ok(()),
        Says::Settings => {
            let own = limited.repository.as_ref().map(|(_, name)| name.name.as_str());
            match members.only("name")? {
                Some(name) if name.as_str().map(str::to_lowercase).as_deref() != own => Err(Refusal::BeyondChosen),
                _ => Ok(()),
            }
        }
        Says::NewPull => {
            let own = limited.repository.as_ref().map(|(_, name)| name.owner.as_str());
            for branch in ["head", "base"] {
                let value = members.only(branch)?;
                if value.is_some_and(|value| !value.as_str().is_some_and(|value| is_own_branch(value, own))) {
                    return Err(Refusal::NamesAnother("the pull request's branch"));
                }
            }
            Ok(())
        }
        Says::OtherIssue => {
            let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_lowercase);
            let (owner, name) = (text(members.only("owner")?), text(members.only("repo")?));
            let (Some(owner), Some(name)) = (owner, name) else { return Err(Refusal::LimitedBody) };
            limited.require(&RepositoryName { owner, name }, "the other issue").await
        }
        Says::Merge => {
            judge_merged_texts(limited).await?;
            // Where nothing is said, Forgejo may go by a setting of the repository.
            if members.only("delete_branch_after_merge")? == Some(&Value::Bool(false)) {
                return Ok(());
            }
            match require_chosen_head(limited).await {
                Err(Refusal::NamesAnother(_)) => Err(Refusal::MayDeleteBranch),
                judged => judged,
            }
        }
        Says::UpdatePull => require_chosen_head(limited).await,
        Says::Render => match members.only_in_any_case("context")?.map(Value::as_str) {
            None | Some(Some("")) => Ok(()),
            Some(Some(context)) => {
                let public = limited.shared.origins.public().as_str();
                let mut parts = context.strip_prefix(public).unwrap_or(context).trim_start_matches('/').split('/');
                let (owner, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                let name = RepositoryName { owner: owner.to_lowercase(), name: name.to_lowercase() };
                limited.require(&name, "the context of the text").await
            }
            Some(None) => Err(Refusal::LimitedBody),
        },
        Says::Thread => {
            let thread = ask(limited, limited.path).await?;
            let id = thread.pointer("/repository/id").and_then(Value::as_i64);
            if id.is_some_and(|id| limited.chosen.contains(id)) { Ok(()) } else { Err(Refusal::OutsideChosen) }
        }
    }
}

/// Something is to be written to the branch that a pull request comes from, which may be a fork's.
async fn require_chosen_head(limited: &Limited<'_>) -> Result<(), Refusal> {
    let segments = limited.path.api().unwrap_or_default();
    let pull = segments.get(..5).ok_or(Refusal::BeyondChosen)?.join("/");
    let pull = ask(limited, &TargetPath::parse(&format!("/api/v1/{pull}"))?).await?;
    let id = pull.pointer("/head/repo/id").and_then(Value::as_i64);
    if id.is_some_and(|id| limited.chosen.contains(id)) {
        Ok(())
    } else {
        Err(Refusal::NamesAnother("the branch of the pull request"))
    }
}

/// A merge carries out what the pull request and its commits say, in the name of whoever merges: "closes owner/name#1" closes it there.
async fn judge_merged_texts(limited: &Limited<'_>) -> Result<(), Refusal> {
    let segments = limited.path.api().unwrap_or_default();
    let pull = segments.get(..5).ok_or(Refusal::BeyondChosen)?.join("/");
    let about = ask(limited, &TargetPath::parse(&format!("/api/v1/{pull}"))?).await?;
    let mut texts: Vec<String> =
        ["title", "body"].iter().filter_map(|name| about.get(name)?.as_str().map(str::to_owned)).collect();
    let (commits, mut read) = (TargetPath::parse(&format!("/api/v1/{pull}/commits"))?, 0);
    for page in 1..=MOST_COMMIT_PAGES {
        let query = format!("page={page}&limit={COMMITS}&verification=false&files=false");
        let (some, total) = ask_counted(limited, &commits, Some(&query)).await?;
        let some = some.as_array().map(Vec::as_slice).unwrap_or_default();
        let message = |commit: &Value| commit.pointer("/commit/message").and_then(Value::as_str).map(str::to_owned);
        texts.extend(some.iter().filter_map(message));
        read += some.len();
        // Forgejo is not asked for a page behind the last one, which it answers with an error.
        if some.is_empty() || total.is_some_and(|total| read >= total) {
            return judge_references(limited, &texts, references::find, MERGED_TEXT).await;
        }
    }
    Err(Refusal::NamesAnother(MERGED_TEXT))
}

async fn judge_references(
    limited: &Limited<'_>,
    texts: &[String],
    find: fn(&str, &mut BTreeSet<RepositoryName>),
    what: &'static str,
) -> Result<(), Refusal> {
    let mut found = BTreeSet::new();
    for text in texts {
        find(text, &mut found);
    }
    if let Some((_, own)) = &limited.repository {
        found.remove(own);
    }
    if found.len() > MOST_REFERENCES {
        return Err(Refusal::NamesAnother(what));
    }
    for name in &found {
        // A name that means nothing to this user makes no reference.
        if limited.id_of(name, Certainty::Now).await?.is_some_and(|id| !limited.chosen.contains(id)) {
            return Err(Refusal::NamesAnother(what));
        }
    }
    Ok(())
}

/// Asks for what has to be known before a request about it is forwarded.
async fn ask(limited: &Limited<'_>, path: &TargetPath) -> Result<Value, Refusal> {
    Ok(ask_counted(limited, path, None).await?.0)
}

/// The same with what Forgejo says of how much there is.
async fn ask_counted(
    limited: &Limited<'_>,
    path: &TargetPath,
    query: Option<&str>,
) -> Result<(Value, Option<usize>), Refusal> {
    let url = forwarded_url(limited.shared, path, query)?;
    let forward = Forward { method: Method::GET, url, headers: HeaderMap::new(), body: Outgoing::None };
    let answer = upstream::send(limited.shared, &limited.who.user, forward).await?;
    match answer.status() {
        StatusCode::OK => {
            let total = answers::total(&answer);
            Ok((answers::read(answer, limited.shared, answers::SMALL).await?, total))
        }
        status if status.is_server_error() => Err(Refusal::Broken),
        _ => Err(Refusal::OutsideChosen),
    }
}

fn essence(content_type: &HeaderValue) -> Option<String> {
    let text = content_type.to_str().ok()?.to_ascii_lowercase();
    Some(text.split(';').next().unwrap_or_default().trim().to_owned())
}

async fn whole(body: Outgoing) -> Result<Bytes, Refusal> {
    match body {
        Outgoing::None => Ok(Bytes::new()),
        Outgoing::Whole(bytes) => Ok(bytes),
        Outgoing::Stream { body, watch, .. } => match LimitedBody::new(body, LARGEST).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge(LARGEST as u64)),
            Err(_) => Err(watch.verdict().unwrap_or(Refusal::BodyBroken)),
        },
    }
}
