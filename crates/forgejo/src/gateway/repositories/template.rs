//! Which requests of Forgejo's API a grant with chosen repositories knows at all, as lines of a table.

use http::Method;

/// One line: methods, a path, what its request may say, what becomes of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) struct Template {
    methods: Methods,
    /// Words stand for themselves; `#` is a number (with a suffix: `#.diff`), `*` one segment, a final `**` one or more.
    path: &'static str,
    pub(super) says: Says,
    pub(super) answer: Answer,
}

/// A set of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Methods(u8);

/// What a request may say, and what has to be known before it is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing, or JSON without references to what lies outside.
    Text,
    /// A file, besides [`Says::Text`].
    File,
    /// Settings of the repository: not another name.
    Settings,
    /// A new pull request: not from another repository.
    NewPull,
    /// The path compares two branches: none of another repository.
    Compare,
    /// Another issue, by owner, repository and number: one of a chosen repository.
    OtherIssue,
    /// A merge: unless it says that it leaves the branch that it merges, that has to be in a chosen repository.
    Merge,
    /// Something that is written to the branch of the pull request: that has to be in a chosen repository.
    UpdatePull,
    /// Text to be rendered; the repository in whose light is a chosen one, if there is any.
    Render,
    /// A notification, which has to be about a chosen repository.
    Thread,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// JSON is read; what is not about a chosen repository is left out.
    Sieve,
    /// The same where it has to say itself which repository it is about.
    Attributed,
    /// A list, read to its end and paged anew, so that neither gaps nor totals tell what was left out. Every item has to say which repository it
    /// is about.
    List,
    /// The same with items that are about the repository of the path unless they say otherwise.
    Events,
    /// It can't be about anything else, and may be large: it flows.
    Flow,
    /// The number of unread notifications, counted here.
    UnreadCount,
}

// === impl Methods ===

impl Methods {
    /// GET and HEAD.
    pub(super) const READ: Self = Self(1);
    pub(super) const POST: Self = Self(2);
    pub(super) const PUT: Self = Self(4);
    pub(super) const PATCH: Self = Self(8);
    pub(super) const DELETE: Self = Self(16);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, method: &Method) -> bool {
        let one = match *method {
            Method::GET | Method::HEAD => Self::READ,
            Method::POST => Self::POST,
            Method::PUT => Self::PUT,
            Method::PATCH => Self::PATCH,
            Method::DELETE => Self::DELETE,
            _ => return false,
        };
        self.0 & one.0 != 0
    }
}

// === impl Template ===

impl Template {
    /// Reads, and the answer is looked through.
    pub(super) const fn get(path: &'static str) -> Self {
        Self { methods: Methods::READ, path, says: Says::Text, answer: Answer::Sieve }
    }

    /// Reads a list of what may be about any repository.
    pub(super) const fn list(path: &'static str) -> Self {
        Self { answer: Answer::List, ..Self::get(path) }
    }

    /// Reads a list of what happened in the repository, elsewhere too.
    pub(super) const fn events(path: &'static str) -> Self {
        Self { answer: Answer::Events, ..Self::get(path) }
    }

    /// Reads what can be large and is about nothing else.
    pub(super) const fn flow(path: &'static str) -> Self {
        Self { answer: Answer::Flow, ..Self::get(path) }
    }

    /// Writes text.
    pub(super) const fn write(methods: Methods, path: &'static str) -> Self {
        Self { methods, ..Self::get(path) }
    }

    pub(super) const fn saying(self, says: Says) -> Self {
        Self { says, ..self }
    }

    pub(super) const fn answering(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    pub(super) fn matches(&self, method: &Method, segments: &[String]) -> bool {
        self.methods.has(method) && fits(self.path, segments)
    }
}

fn fits(path: &str, segments: &[String]) -> bool {
    let mut rest = segments.iter();
    if !path.is_empty() {
        for part in path.split('/') {
            if part == "**" {
                return rest.next().is_some();
            }
            let Some(segment) = rest.next() else { return false };
            let fits = match part.strip_prefix('#') {
                Some(suffix) => segment.strip_suffix(suffix).is_some_and(is_number),
                None => part == "*" || part == segment,
            };
            if !fits {
                return false;
            }
        }
    }
    rest.next().is_none()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits_text(path: &str, segments: &str) -> bool {
        let segments: Vec<String> = segments.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        fits(path, &segments)
    }

    #[test]
    fn a_template_fits_exactly_what_it_says() {
        for (path, segments) in [
            ("", ""),
            ("issues", "issues"),
            ("issues/#", "issues/12"),
            ("pulls/#.diff", "pulls/12.diff"),
            ("contents/**", "contents/a/b"),
            ("git/trees/*", "git/trees/main"),
        ] {
            assert!(fits_text(path, segments), "{path} {segments}");
        }
        for (path, segments) in [
            ("", "issues"),
            ("issues", ""),
            ("issues", "Issues"),
            ("issues/#", "issues/x"),
            ("issues/#", "issues/-1"),
            ("issues/#", "issues/1.diff"),
            ("issues/#", "issues/1/comments"),
            ("pulls/#.diff", "pulls/.diff"),
            ("contents/**", "contents"),
            ("git/trees/*", "git/trees/a/b"),
        ] {
            assert!(!fits_text(path, segments), "{path} {segments}");
        }
    }

    #[test]
    fn head_is_read_like_get_and_nothing_else_is() {
        let template = Template::get("issues");
        let issues = ["issues".to_owned()];
        assert!(template.matches(&Method::GET, &issues) && template.matches(&Method::HEAD, &issues));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            assert!(!template.matches(&method, &issues), "{method}");
        }
    }
}
