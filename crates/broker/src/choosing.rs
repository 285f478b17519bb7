//! Choosing repositories, after the login of an authorization or from the account page.
//!
//! What is ticked is kept in the store with every step, bound to the browser, so that a search, a second page or a restart of the broker
//! loses nothing. An id counts only after Forgejo has shown the repository behind it to this user; whatever else a form says about a
//! repository is not looked at. Nothing is granted before the last step, for which there is as much time as for the consent form.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use forgejo::repositories::{Found, RepositoriesError};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use oauth::grant::Grant;
use oauth::id::UserId;
use oauth::random::NoRandomness;
use oauth::token::{PlainToken, TokenKind};
use store::StoreError;
use store::selections::{Chosen, Selection, SelectionPurpose};

use crate::app::App;
use crate::failure::Failure;
use crate::handlers::consent::FORM_LIFETIME;
use crate::login::Consented;

/// The most repositories that one connection can be limited to. Who needs more grants all.
pub(crate) const MOST: usize = 100;
/// Questions to Forgejo at once about ids that are not known yet.
const AT_ONCE: usize = 4;
/// A name is not asked for again within this time just to be shown. What is ticked is always looked up.
const NAME_LIFETIME: Duration = Duration::from_mins(1);
/// Longest text that is searched for, in characters.
const LONGEST_SEARCH: usize = 100;

/// What a form of the page says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) csrf: String,
    /// The boxes that are ticked, each once.
    pub(crate) ticked: Vec<i64>,
    pub(crate) view: View,
    pub(crate) step: Step,
}

/// What is looked at: a search and a page of what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) text: String,
    pub(crate) page: u32,
}

/// Which button was pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Step {
    /// Search, or turn a page; also what a browser sends that presses no button.
    #[default]
    Look,
    /// Take what is ticked.
    Allow,
    /// Go back without.
    Leave,
}

/// What the page has to say about the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    NoneChosen,
    TooMany,
    LeftOut,
}

/// Why what is ticked can't be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    #[error("more than {MOST} repositories are ticked")]
    TooMany,
    #[error(transparent)]
    Forgejo(#[from] RepositoriesError),
}

/// What is ticked, looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) chosen: Vec<Chosen>,
    /// Whether something was ticked that this user can't see.
    pub(crate) left_out: bool,
}

/// Begins a choice for a client to which this user is logging in: where the browser goes, and its cookie.
pub(crate) async fn begin_for_client(
    app: &App,
    user: UserId,
    consented: &Consented,
) -> Result<(String, Option<HeaderValue>), Failure> {
    let browser = PlainToken::generate(TokenKind::Browser, app.random.as_ref())?;
    let id = new_id(app)?;
    let sealed = seal(consented, &id, app).ok_or(Failure::Seal)?;
    let now = app.clock.now();
    let selection = Selection {
        id,
        user,
        purpose: SelectionPurpose::Authorize(sealed),
        chosen: Vec::new(),
        created_at: now,
        expires_at: now.plus(FORM_LIFETIME),
    };
    app.store.begin_selection(&selection, &browser.hash()).await?;
    let seconds = i64::try_from(FORM_LIFETIME.as_secs()).unwrap_or(3600);
    let cookie = app.cookies.set(&app.cookies.selection(&selection.id), browser.expose(), seconds);
    Ok((format!("{}/oauth/repositories/{}", app.site.issuer, selection.id), cookie))
}

/// Begins to change the choice of a grant that stands, in the session with this cookie; the choice's id.
pub(crate) async fn begin_for_grant(app: &App, grant: &Grant, session: &PlainToken) -> Result<String, Failure> {
    let user = grant.user.to_shared();
    let ids = grant.limits.repositories.as_deref().unwrap_or_default();
    let chosen = names(app, &user, ids).await;
    let now = app.clock.now();
    let selection = Selection {
        id: new_id(app)?,
        user: grant.user.clone(),
        purpose: SelectionPurpose::Change(grant.id.clone()),
        chosen,
        created_at: now,
        expires_at: now.plus(FORM_LIFETIME),
    };
    app.store.begin_selection(&selection, &session.hash()).await?;
    Ok(selection.id)
}

/// The names of repositories by their ids, as this user saw them at most a minute ago; a stand-in for those of which nothing is known.
pub(crate) async fn names(app: &App, user: &Arc<str>, ids: &[i64]) -> Vec<Chosen> {
    stream::iter(ids.iter().copied())
        .map(|id| async move {
            let ask = async {
                let found = app.repositories.by_id(user, id).await?;
                let gone = || format!("repository {id}, which you cannot see any more");
                Ok::<_, RepositoriesError>((found.map_or_else(gone, |repository| repository.full_name), NAME_LIFETIME))
            };
            let name = match app.repository_names.get(&format!("{user} {id}"), ask).await {
                Ok(held) => held.value.as_ref().clone(),
                Err(_) => format!("repository {id} (Forgejo does not tell its name at present)"),
            };
            Chosen { id, name }
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// Looks up what is ticked: known ones are taken over, others must be shown to this user by Forgejo.
pub(crate) async fn settle(app: &App, selection: &Selection, ticked: &[i64]) -> Result<Settled, SettleError> {
    if ticked.len() > MOST {
        return Err(SettleError::TooMany);
    }
    let user = selection.user.to_shared();
    let looked_up: Vec<Option<Chosen>> =
        stream::iter(ticked.iter().copied())
            .map(|id| {
                let known = selection.chosen.iter().find(|known| known.id == id).cloned();
                let user = &user;
                async move {
                    match known {
                        Some(known) => Ok(Some(known)),
                        None => app.repositories.by_id(user, id).await.map(|found| {
                            found.map(|repository| Chosen { id: repository.id, name: repository.full_name })
                        }),
                    }
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
    let left_out = looked_up.iter().any(Option::is_none);
    Ok(Settled { chosen: looked_up.into_iter().flatten().collect(), left_out })
}

/// What this user finds.
pub(crate) async fn look(app: &App, selection: &Selection, view: &View) -> Result<Found, LookError> {
    let user = app.store.user(&selection.user).await?;
    let forgejo_id = user.map(|user| user.forgejo_id).unwrap_or_default();
    Ok(app.repositories.search(&selection.user.to_shared(), forgejo_id, &view.text, view.page).await?)
}

/// Opens the request of a client for which something is chosen.
pub(crate) fn open(sealed: &[u8], id: &str, app: &App) -> Option<Consented> {
    let json = app.keys.open(sealed, &associated_data(id)).ok()?;
    serde_json::from_slice(&json).ok()
}

fn seal(consented: &Consented, id: &str, app: &App) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(consented).ok()?;
    app.keys.seal(&json, &associated_data(id)).ok()
}

fn associated_data(id: &str) -> Vec<u8> {
    store::seal::row_aad("selections", "sealed_request", id)
}

fn new_id(app: &App) -> Result<String, NoRandomness> {
    let mut bytes = [0u8; 16];
    app.random.fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// Why nothing can be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Forgejo(#[from] RepositoriesError),
}

// === impl Answer ===

impl Answer {
    /// Reads the form. Unknown fields, and boxes whose value is no number, are passed over.
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut answer = Self::default();
        let mut seen = HashSet::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            match name.as_ref() {
                "csrf" => answer.csrf = value.into_owned(),
                "q" => answer.view.text = searched(&value),
                "repository" => {
                    if let Some(id) = value.parse().ok().filter(|&id: &i64| id > 0 && seen.insert(id)) {
                        answer.ticked.push(id);
                    }
                }
                "page" => answer.view.page = value.parse().unwrap_or_default(),
                "step" => {
                    answer.step = match value.as_ref() {
                        "allow" => Step::Allow,
                        "leave" => Step::Leave,
                        _ => Step::Look,
                    }
                }
                _ => {}
            }
        }
        answer
    }
}

// === impl View ===

impl View {
    /// Reads the query of the page, and what it has to say.
    pub(crate) fn read(query: &str) -> (Self, Option<Notice>) {
        let (mut view, mut notice) = (Self::default(), None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "q" => view.text = searched(&value),
                "page" => view.page = value.parse().unwrap_or_default(),
                "notice" => notice = Notice::of(&value),
                _ => {}
            }
        }
        (view, notice)
    }

    /// The query by which [`Self::read`] comes to the same.
    pub(crate) fn query(&self, notice: Option<Notice>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if self.page > 1 {
            query.append_pair("page", &self.page.to_string());
        }
        if let Some(notice) = notice {
            query.append_pair("notice", notice.as_str());
        }
        query.finish()
    }
}

// === impl Notice ===

impl Notice {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoneChosen => "none",
            Self::TooMany => "many",
            Self::LeftOut => "left-out",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::NoneChosen, Self::TooMany, Self::LeftOut].into_iter().find(|notice| notice.as_str() == text)
    }

    /// What the page says.
    pub(crate) fn text(self) -> String {
        match self {
            Self::NoneChosen => "Tick at least one repository, or go back without allowing anything.".to_owned(),
            Self::TooMany => format!(
                "At most {MOST} repositories can be chosen for one connection. Untick some, or allow all repositories instead."
            ),
            Self::LeftOut => {
                "Something was ticked that you cannot see at Forgejo, or not any more. It was left out; look again at what is chosen."
                    .to_owned()
            }
        }
    }
}

fn searched(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_SEARCH).collect();
    visible.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_every_box_once_and_nothing_that_is_no_id() {
        let answer = Answer::read(
            b"csrf=t&q=+a%0Ab+&page=2&repository=7&repository=8&repository=7&repository=-1&repository=x&step=allow",
        );
        assert_eq!(
            (answer.csrf.as_str(), answer.ticked.as_slice(), answer.step),
            ("t", [7, 8].as_slice(), Step::Allow)
        );
        assert_eq!(answer.view, View { text: "ab".into(), page: 2 });
        assert_eq!(Answer::read(b"repository=1").step, Step::Look, "a form sent without a button grants nothing");
    }

    #[test]
    fn a_view_survives_its_way_through_the_address() {
        let view = View { text: "a&b=c \u{e9}".into(), page: 3 };
        let query = view.query(Some(Notice::LeftOut));
        assert_eq!(View::read(&query), (view, Some(Notice::LeftOut)));
        assert_eq!(View::read(&View::default().query(None)), (View::default(), None));
        assert_eq!(View::read("notice=%3Cscript%3E&page=-4").1, None);
    }
}
