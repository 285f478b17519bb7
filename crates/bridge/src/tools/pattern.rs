//! Patterns for the names of tools.

use std::fmt;

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// A name in which `*` stands for any characters, also none, and `?` for exactly one. Everything else, upper and lower case included, means
/// itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Pattern {
    text: String,
    compiled: WildMatch,
}

// === impl Pattern ===

impl Pattern {
    /// Any text is a pattern.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { compiled: WildMatch::new(&text), text }
    }

    /// Whether the pattern stands for the whole name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.compiled.matches(name)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_stands_for_whole_names() {
        for (pattern, name, matches) in [
            ("get_*", "get_issue", true),
            ("get_*", "get_", true),
            ("get_*", "forget_issue", false),
            ("get_*", "GET_issue", false),
            ("*", "", true),
            ("*", "a/b\nc\u{202e}d", true),
            ("delete_?", "delete_ü", true),
            ("delete_?", "delete_", false),
            ("delete_repo", "delete_repo ", false),
            ("a.c", "abc", false),
            ("[ab]", "a", false),
            ("[ab]", "[ab]", true),
            ("a\\*", "a*", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Pattern::from(pattern).matches(name), matches, "{pattern} {name:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_in_time() {
        let pattern = Pattern::new("*a".repeat(64) + "b");
        assert!(!pattern.matches(&"a".repeat(4096)));
    }

    proptest! {
        #[test]
        fn a_name_without_stars_and_question_marks_matches_itself_alone(name in "[^*?]{0,24}", other in "[^*?]{0,24}") {
            let pattern = Pattern::new(name.clone());
            prop_assert!(pattern.matches(&name));
            prop_assert_eq!(pattern.matches(&other), name == other);
        }
    }
}
