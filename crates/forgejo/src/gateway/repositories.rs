//! Chosen repositories: a grant that reaches only what its user has picked.
//!
//! Everything is refused that is not a line of [`table`]. What a line lets through is judged by Forgejo's ids: the repository that the path names
//! ([`names`]), those that body, query or text name ([`says`]), those in the answer ([`sieve`], [`lists`]), and attachments by where they were shown
//! ([`attachments`]). Other grants never come here; their answers flow.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

mod answers;
mod attachments;
mod chosen;
mod lists;
pub(super) mod members;
pub(super) mod names;
pub(super) mod references;
mod says;
pub(super) mod sieve;
mod table;
mod template;

pub(super) use attachments::SeenAttachments;
pub use chosen::ChosenRepositories;
pub(super) use names::Names;

use super::{
    answer::{self, AnswerBody, Passage},
    body::Outgoing,
    exchange::{forwarded_url, redirected},
    grant::GatewayAssignment,
    path::{Place, RepositoryName, TargetPath},
    refusal::Refusal,
    shared::Shared,
    upstream::{self, Forward},
};
use attachments::Uuid;
use names::{Certainty, Meaning};
use template::{Answer, Says, Template};

/// A request under a grant with chosen repositories.
pub(super) struct Limited<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) who: &'a GatewayAssignment,
    pub(super) chosen: &'a ChosenRepositories,
    pub(super) method: &'a Method,
    pub(super) path: &'a TargetPath,
    pub(super) query: Option<&'a str>,
    /// The chosen repository that the path names, once that is known.
    repository: Option<(i64, RepositoryName)>,
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Something in the repository that it names.
    Inside(&'static Template),
    /// Something that belongs to no single repository.
    Outside(&'static Template),
    /// A repository by its id.
    ById(i64),
    /// An attachment by its UUID, whatever else the path names.
    Attachment(Uuid),
    /// A file of the repository that it names.
    File,
}

/// Where a request goes.
enum Admission {
    Forward,
    /// The repository has another name now.
    Moved(RepositoryName),
}

/// The line of the table that knows the request.
pub(super) fn line_of(method: &Method, path: &TargetPath) -> Result<Line, Refusal> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let Some(api) = path.api() else {
        let uuid = match (path.place(), path.segments()) {
            (Place::Attachment, [_, uuid]) => Some(uuid),
            (Place::RepositoryFile, [_, _, attachments, uuid]) if attachments == "attachments" => Some(uuid),
            _ => None,
        };
        return match uuid.map(|uuid| Uuid::read(uuid)) {
            Some(Some(uuid)) => Ok(Line::Attachment(uuid)),
            None if path.place() == Place::RepositoryFile => Ok(Line::File),
            _ => Err(Refusal::BeyondChosen),
        };
    };
    if let Some(template) = table::OUTSIDE.iter().find(|template| template.matches(method, api)) {
        return Ok(Line::Outside(template));
    }
    match api {
        [repositories, id] if repositories == "repositories" && reads => {
            id.parse().map(Line::ById).map_err(|_| Refusal::OutsideChosen)
        }
        [repos, _, _, inside @ ..] if repos == "repos" => {
            let template = table::INSIDE.iter().find(|template| template.matches(method, inside));
            template.map(Line::Inside).ok_or(Refusal::BeyondChosen)
        }
        _ => Err(Refusal::BeyondChosen),
    }
}

/// Carries a request out. `headers` are those to forward, `body` was read as far as it can be.
pub(super) async fn carry(
    mut limited: Limited<'_>,
    mut headers: HeaderMap,
    body: (Outgoing, Option<HeaderValue>),
    passage: Passage,
) -> Result<Response<AnswerBody>, Refusal> {
    let line = line_of(limited.method, limited.path)?;
    let (says, how) = match line {
        Line::Inside(template) | Line::Outside(template) => (template.says, template.answer),
        Line::ById(_) => (Says::Text, Answer::Sieve),
        Line::Attachment(_) | Line::File => (Says::Text, Answer::Flow),
    };
    if let Admission::Moved(name) = limited.admit(line).await? {
        return limited.redirect(&name);
    }
    let (body, content_type) = body;
    let body = says::judge(&limited, says, body, content_type.as_ref()).await?;
    if how != Answer::Flow {
        // Parts and comparisons of an answer that the worker does not get to see as it is.
        for name in [
            header::RANGE,
            header::IF_RANGE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_UNMODIFIED_SINCE,
        ] {
            headers.remove(name);
        }
    }
    match how {
        Answer::List => return lists::answer(&limited, &headers, passage, true).await,
        Answer::Events => return lists::answer(&limited, &headers, passage, false).await,
        Answer::UnreadCount => return lists::unread_count(&limited, &headers, passage).await,
        Answer::Sieve | Answer::Attributed | Answer::Flow => {}
    }
    limited.still_holds()?;
    let url = forwarded_url(limited.shared, limited.path, limited.query)?;
    let bare = headers.clone();
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    let forward = Forward { method: limited.method.clone(), url: url.clone(), headers, body };
    let answer = upstream::send(limited.shared, &limited.who.user, forward).await?;
    limited.still_holds()?;
    if answer.status().is_redirection() && answer.status() != StatusCode::NOT_MODIFIED {
        return Box::pin(redirected(limited.shared, limited.who, &url, answer, bare, passage)).await;
    }
    match how {
        Answer::Flow => answer::pass(answer, passage).await,
        how => answers::pass(&limited, answer, passage, how == Answer::Attributed).await,
    }
}

/// Judges where a redirect within Forgejo leads, before the worker is told.
pub(super) async fn admit_target(mut limited: Limited<'_>) -> Result<(), Refusal> {
    let line = line_of(limited.method, limited.path)?;
    match limited.admit(line).await? {
        Admission::Forward => Ok(()),
        Admission::Moved(_) => Err(Refusal::OutsideChosen),
    }
}

// === impl Limited ===

impl<'a> Limited<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        who: &'a GatewayAssignment,
        chosen: &'a ChosenRepositories,
        method: &'a Method,
        path: &'a TargetPath,
        query: Option<&'a str>,
    ) -> Self {
        Self { shared, who, chosen, method, path, query, repository: None }
    }

    /// Whether the request reaches for a chosen repository, by all that its path says.
    async fn admit(&mut self, line: Line) -> Result<Admission, Refusal> {
        match line {
            Line::Outside(_) => return Ok(Admission::Forward),
            Line::ById(id) if self.chosen.contains(id) => return Ok(Admission::Forward),
            Line::ById(_) => return Err(Refusal::OutsideChosen),
            Line::Attachment(uuid) => {
                let shown = self.shared.attachments.repository_of(&self.who.grant, uuid);
                if !shown.is_some_and(|repository| self.chosen.contains(repository)) {
                    return Err(Refusal::UnseenAttachment);
                }
                if self.path.place() == Place::Attachment {
                    return Ok(Admission::Forward);
                }
            }
            Line::Inside(_) | Line::File => {}
        }
        let name = self.path.repository().ok_or(Refusal::BeyondChosen)?;
        let reads = matches!(*self.method, Method::GET | Method::HEAD);
        let certainty = if reads { Certainty::Lately } else { Certainty::Now };
        match names::meaning_of(self.shared, self.who, &name, certainty).await? {
            Meaning::Repository(id) if self.chosen.contains(id) => {
                self.repository = Some((id, name));
                Ok(Admission::Forward)
            }
            Meaning::Moved(moved) => match names::meaning_of(self.shared, self.who, &moved, Certainty::Now).await? {
                Meaning::Repository(id) if self.chosen.contains(id) => Ok(Admission::Moved(moved)),
                _ => Err(Refusal::OutsideChosen),
            },
            Meaning::Repository(_) | Meaning::Nothing => Err(Refusal::OutsideChosen),
        }
    }

    /// The repository that a name in the request means, renamed ones followed; `None` if it means nothing.
    async fn id_of(&self, name: &RepositoryName, certainty: Certainty) -> Result<Option<i64>, Refusal> {
        let meaning = match names::meaning_of(self.shared, self.who, name, certainty).await? {
            Meaning::Moved(moved) => names::meaning_of(self.shared, self.who, &moved, certainty).await?,
            meaning => meaning,
        };
        Ok(match meaning {
            Meaning::Repository(id) => Some(id),
            Meaning::Moved(_) | Meaning::Nothing => None,
        })
    }

    /// Refuses unless `name` means a chosen repository; `what` names it.
    async fn require(&self, name: &RepositoryName, what: &'static str) -> Result<(), Refusal> {
        let id = self.id_of(name, Certainty::Now).await?;
        if id.is_some_and(|id| self.chosen.contains(id)) { Ok(()) } else { Err(Refusal::NamesAnother(what)) }
    }

    /// Whether the grant is limited as it was when the request came.
    fn still_holds(&self) -> Result<(), Refusal> {
        let now = self.shared.grants.terms(&self.who.grant);
        if now.repositories.as_deref() == Some(self.chosen) { Ok(()) } else { Err(Refusal::LimitsChanged) }
    }

    /// Tells the worker the present name, as Forgejo does; it comes back with it and is judged anew.
    fn redirect(&self, name: &RepositoryName) -> Result<Response<AnswerBody>, Refusal> {
        let segments = self.path.segments();
        let at = if self.path.place() == Place::Api { 3 } else { 0 };
        let rest = segments.get(at + 2..).unwrap_or_default();
        let before = if self.path.place() == Place::Api { "/api/v1/repos" } else { "" };
        let rest = TargetPath::escaped(rest);
        let path = TargetPath::parse(&format!("{before}/{}/{}{rest}", name.owner, name.name))?;
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        let location = HeaderValue::try_from(format!("{}{path}{query}", self.shared.url))
            .map_err(|_| Refusal::Unreadable("its redirect is not an address"))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, location);
        Ok(answer::assemble(StatusCode::TEMPORARY_REDIRECT, headers, answer::empty()))
    }
}

#[cfg(test)]
pub(in crate::gateway) mod tests;
