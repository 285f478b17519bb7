//! What happened lately, in a user's words.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::moment::Moment;
use super::{Forms, respond};
use crate::display::{display_name, display_text};

/// Longest text shown of an event that has no words of its own.
const LONGEST: usize = 160;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Moment,
    /// What, a few words.
    pub what: String,
    /// Through which client; may be empty.
    pub client: String,
}

/// Shows the last that happened. Its form posts `csrf` to `/account/logout`.
#[derive(Debug, Clone, Template)]
#[template(path = "activity.html")]
pub struct ActivityPage {
    /// Who is logged in.
    pub login: String,
    /// Forgejo's host, for people.
    pub forgejo_host: String,
    /// The token that proves that a form is ours.
    pub csrf: String,
    /// The newest first.
    pub activity: Vec<Happening>,
    /// What the next page begins before, if there are older events.
    pub older: Option<i64>,
}

// === impl Happening ===

impl Happening {
    /// An event of the audit log in words. Events that have none are named as the log names them.
    #[must_use]
    pub fn words(event: &str, outcome: &str, detail: Option<&str>) -> String {
        let plain = |text: &str| text.replace('_', " ");
        match (event, outcome) {
            ("login", "ok") => "Connected: you logged in and allowed access".to_owned(),
            ("login", "chooses_repositories") => "You logged in to choose repositories for a client".to_owned(),
            ("account_login", "ok") => "You logged in to this page".to_owned(),
            ("account_logout", _) => "You logged out of this page".to_owned(),
            ("tokens_issued", "ok") => "The client fetched its first tokens".to_owned(),
            ("tokens_refreshed", "ok") => "The client renewed its tokens".to_owned(),
            ("refresh_replayed", "answered_again") => "The client asked twice for the same renewal".to_owned(),
            ("refresh_replayed", _) => "A used-up token was shown again and refused".to_owned(),
            ("grant_changed", _) => "You changed what a connection may do".to_owned(),
            ("grant_ended", "by_user") => "You ended a connection".to_owned(),
            ("grant_ended", "all_by_user") => "You ended all connections".to_owned(),
            ("grant_ended", "revoked_at_forgejo") => "Ended, because you had revoked this server at Forgejo".to_owned(),
            ("grant_ended", "refresh_replayed" | "code_replayed") => {
                "Ended, because a used-up token or code was shown again: somebody may have copied it".to_owned()
            }
            ("grant_ended", "revoked" | "revoked_by_client") => "The client ended its connection".to_owned(),
            ("grant_ended", why) => format!("A connection ended ({})", plain(why)),
            ("access_token_revoked", _) => "The client gave back a token".to_owned(),
            ("tool_called", outcome) => {
                let tool = detail.and_then(display_name).unwrap_or_else(|| "without a name".to_owned());
                format!("Used the tool {tool} ({})", plain(outcome))
            }
            (event, outcome) => {
                let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
                let words = format!("{}: {}{detail}", plain(event), plain(outcome));
                let mut words = display_text(&words, LONGEST).unwrap_or_default();
                if let Some(first) = words.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                words
            }
        }
    }
}

// === impl ActivityPage ===

impl IntoResponse for ActivityPage {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self, Forms::Own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_words_of_its_own_is_named_as_the_log_names_it() {
        assert_eq!(Happening::words("door_closed", "refused_now", None), "Door closed: refused now");
        assert_eq!(Happening::words("tool_called", "ok", Some("list\u{202e}_repos")), "Used the tool list_repos (ok)");
        assert_eq!(Happening::words("entry", "refused", Some("not listed")), "Entry: refused (not listed)");
        assert_eq!(Happening::words("é", "x", None), "é: x");
    }
}
