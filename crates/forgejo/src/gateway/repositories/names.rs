//! Which repository a name means now. Grants hold ids; requests hold names, and a name can be given to somebody else's repository.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::super::{
    body::Outgoing,
    exchange::forwarded_url,
    grant::GatewayAssignment,
    path::{self, RepositoryName, TargetPath},
    redirect::Destination,
    refusal::Refusal,
    shared::Shared,
    upstream::{self, Forward},
};
use super::answers;

/// How old a name may be when something is read by it; what writes asks anew.
const GOOD_FOR_READING: Duration = Duration::from_secs(30);
const REMEMBERED: usize = 4096;

/// The names that were looked up.
pub(in crate::gateway) struct Names(Cache<RepositoryName, Known>);

#[derive(Debug, Clone, Copy)]
struct Known {
    id: i64,
    at: Instant,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The repository with this id.
    Repository(i64),
    /// One that was renamed or handed on: its present name.
    Moved(RepositoryName),
    /// Nothing that this user may see.
    Nothing,
}

/// How sure the meaning has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// As old as [`GOOD_FOR_READING`] at most.
    Lately,
    /// Asked now.
    Now,
}

// === impl Names ===

impl Names {
    fn known(&self, name: &RepositoryName, now: Instant) -> Option<i64> {
        let fresh = |known: &Known| now.duration_since(known.at) < GOOD_FOR_READING;
        self.0.get(name).filter(fresh).map(|known| known.id)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// Asks Forgejo, as the user, what `name` means, unless it is known.
pub(super) async fn meaning_of(
    shared: &Shared,
    who: &GatewayAssignment,
    name: &RepositoryName,
    certainty: Certainty,
) -> Result<Meaning, Refusal> {
    let at = Instant::now();
    if certainty == Certainty::Lately
        && let Some(id) = shared.names.known(name, at)
    {
        return Ok(Meaning::Repository(id));
    }
    let meaning = ask(shared, who, name).await?;
    match meaning {
        Meaning::Repository(id) => shared.names.0.insert(name.clone(), Known { id, at }),
        Meaning::Moved(_) | Meaning::Nothing => drop(shared.names.0.remove(name)),
    }
    Ok(meaning)
}

async fn ask(shared: &Shared, who: &GatewayAssignment, name: &RepositoryName) -> Result<Meaning, Refusal> {
    if !path::is_name(&name.owner) || !path::is_name(&name.name) {
        return Ok(Meaning::Nothing);
    }
    let target = TargetPath::parse(&format!("/api/v1/repos/{}/{}", name.owner, name.name))?;
    let url = forwarded_url(shared, &target, None)?;
    let forward = Forward { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Outgoing::None };
    let answer = upstream::send(shared, &who.user, forward).await?;
    let status = answer.status();
    if status.is_redirection() {
        let location = answer.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok());
        return Ok(match location.map(|location| shared.origins.follow(&url, location)) {
            Some(Destination::Inwards { path, .. }) => TargetPath::parse(&path)
                .ok()
                .and_then(|path| path.repository())
                .filter(|moved| moved != name)
                .map_or(Meaning::Nothing, Meaning::Moved),
            _ => Meaning::Nothing,
        });
    }
    match status {
        StatusCode::OK => {
            let repository = answers::read(answer, shared, answers::SMALL).await?;
            let id = repository.get("id").and_then(serde_json::Value::as_i64);
            id.map(Meaning::Repository).ok_or(Refusal::Unreadable("it does not say which repository it is about"))
        }
        StatusCode::NOT_FOUND
        | StatusCode::FORBIDDEN
        | StatusCode::GONE
        | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => Ok(Meaning::Nothing),
        _ => Err(Refusal::Broken),
    }
}

#[cfg(test)]
pub(in crate::gateway) mod tests {
    use super::*;

    #[test]
    pub(in crate::gateway) fn a_name_is_believed_for_less_than_a_minute() {
        let (names, asked) = (Names::default(), Instant::now());
        let name = RepositoryName { owner: "alice".into(), name: "hello".into() };
        names.0.insert(name.clone(), Known { id: 7, at: asked });
        let after = |seconds| names.known(&name, asked + Duration::from_secs(seconds));
        assert_eq!((after(0), after(29), after(30), after(60)), (Some(7), Some(7), None, None));
    }
}
