//! What a page says about the step that led to it. Travels as a word in the address, so that no stranger can put text of his own there.

/// What was just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    Ended,
    AllEnded,
    Changed,
    Unchanged,
    LoggedOut,
    LoginNeeded,
    LogInAgain,
}

const ALL: [Notice; 7] = [
    Notice::Ended,
    Notice::AllEnded,
    Notice::Changed,
    Notice::Unchanged,
    Notice::LoggedOut,
    Notice::LoginNeeded,
    Notice::LogInAgain,
];

// === impl Notice ===

impl Notice {
    /// The address of a page of ours that says this.
    pub(crate) fn at(self, path: &str) -> String {
        format!("{path}?notice={}", self.word())
    }

    /// The notice in a query, if there is a known one.
    pub(crate) fn read(query: Option<&str>) -> Option<Self> {
        let word = query?.split('&').find_map(|pair| pair.strip_prefix("notice="))?;
        ALL.into_iter().find(|notice| notice.word() == word)
    }

    /// What the page says; nothing without a notice.
    pub(crate) fn text(notice: Option<Self>) -> String {
        let text = match notice {
            None => "",
            Some(Self::Ended) => "The connection has ended.",
            Some(Self::AllEnded) => "All connections have ended.",
            Some(Self::Changed) => "Changed. It is in effect now.",
            Some(Self::Unchanged) => "Nothing was changed.",
            Some(Self::LoggedOut) => "You are logged out here. At Forgejo you are still logged in.",
            Some(Self::LoginNeeded) => "You are not logged in here, or not any more. Log in to go on.",
            Some(Self::LogInAgain) => {
                "To allow a program more than now, log in again, and make the change within ten minutes. Nothing was changed."
            }
        };
        text.to_owned()
    }

    /// Whether it is for somebody who is not logged in.
    pub(crate) fn is_for_strangers(self) -> bool {
        matches!(self, Self::LoggedOut | Self::LoginNeeded | Self::LogInAgain)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::AllEnded => "all-ended",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::LoggedOut => "logged-out",
            Self::LoginNeeded => "login-needed",
            Self::LogInAgain => "log-in-again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_survives_its_way_through_the_address_and_nothing_else_does() {
        for notice in ALL {
            let address = notice.at("/account");
            assert_eq!(Notice::read(address.split_once('?').map(|(_, query)| query)), Some(notice));
            assert!(!Notice::text(Some(notice)).is_empty());
        }
        assert_eq!(Notice::read(Some("notice=<script>alert(1)</script>")), None);
        assert_eq!(Notice::read(None), None);
    }
}
