//! What strangers wrote, made fit to be shown: for pages without the characters that deceive, for terminals and logs with those characters
//! as their numbers. Which ones those are is [`is_deceptive`]'s matter, for all of them.

use std::borrow::Cow;
use std::fmt::Write as _;

use forgejo::display::is_deceptive;

/// Longest name shown, in characters.
const MAX_CHARACTERS: usize = 60;
/// More marks than this on one letter only serve to cover other lines.
const MAX_MARKS: usize = 2;

/// A stranger's name without what deceives: control characters, direction overrides, invisible characters, towers of marks; white
/// space collapsed, length capped. Escaping is the template's work. `None` if nothing is left.
#[must_use]
pub(crate) fn display_name(text: &str) -> Option<String> {
    display_text(text, MAX_CHARACTERS)
}

/// The same for texts of a stranger's that may be `longest` characters long.
#[must_use]
pub(crate) fn display_text(text: &str, longest: usize) -> Option<String> {
    let mut shown = String::new();
    let (mut number, mut marks, mut blank) = (0, 0, false);
    for c in text.chars() {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if is_deceptive(c) {
            continue;
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if marks > MAX_MARKS || (marks > 0 && shown.is_empty()) {
            continue;
        }
        if number >= longest {
            shown.push('…');
            break;
        }
        if blank && !shown.is_empty() {
            shown.push(' ');
            number += 1;
        }
        blank = false;
        shown.push(c);
        number += 1;
    }
    (!shown.is_empty()).then_some(shown)
}

/// A text in which every character is seen as what it is: those that deceive by their numbers.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            seen.extend(c.escape_unicode());
        } else {
            seen.push(c);
        }
    }
    Cow::Owned(seen)
}

/// The same for several lines.
pub(crate) fn visible_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            line.strip_suffix('\n').map_or_else(|| visible(line).into_owned(), |line| visible(line).into_owned() + "\n")
        })
        .collect()
}

/// The same for JSON: such characters stand in strings only, where their escape means the same.
pub(crate) fn visible_json(json: String) -> String {
    let deceives = |c: char| c != '\n' && is_deceptive(c);
    if !json.contains(deceives) {
        return json;
    }
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if !deceives(c) {
            safe.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn honest_names_stay_as_they_are() {
        for name in [
            "Claude",
            "Claude Code (forgejo)",
            "VS Code – Insiders",
            "Gérard’s Agent",
            "エージェント",
            "Agent 🦊",
            "e\u{301}",
        ] {
            assert_eq!(display_name(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn control_characters_and_direction_overrides_vanish() {
        assert_eq!(display_name("Clau\u{202e}edoc\u{0}\u{1b}[2J").as_deref(), Some("Clauedoc[2J"));
        assert_eq!(display_name("a\u{200b}b\u{2066}c\u{feff}d\u{e0041}e\u{ad}f").as_deref(), Some("abcdef"));
    }

    #[test]
    fn white_space_is_collapsed_and_lines_are_joined() {
        assert_eq!(display_name("  Claude\r\n\t\u{2028}by\u{a0}Anthropic ").as_deref(), Some("Claude by Anthropic"));
    }

    #[test]
    fn a_name_of_nothing_visible_is_none() {
        for name in ["", " \n", "\u{202e}\u{200b}", "\u{3164}\u{2800}", "\u{301}\u{301}"] {
            assert_eq!(display_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn long_names_and_towers_of_marks_are_cut() {
        assert_eq!(display_name(&"x".repeat(500)).unwrap().chars().count(), MAX_CHARACTERS + 1);
        assert_eq!(display_name(&format!("a{}b", "\u{301}".repeat(50))).unwrap().chars().count(), 4);
    }

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}1mb\u{202e}cod\r\n\u{200b}\u{e0041}";

    #[test]
    fn no_character_that_deceives_reaches_a_terminal() {
        let seen = visible(HOSTILE);
        assert!(!seen.contains(is_deceptive), "{seen:?}");
        assert!(seen.contains("\\u{1b}[2J") && seen.contains("\\u{202e}cod"), "{seen}");
        assert_eq!(visible("Gérard’s エージェント 🦊"), "Gérard’s エージェント 🦊");
        assert_eq!(visible_lines("a\u{202e}\nb\n"), "a\\u{202e}\nb\n");
    }

    #[test]
    fn json_says_the_same_without_such_characters() {
        let value = serde_json::json!({"name": HOSTILE});
        for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let safe = visible_json(json);
            assert!(!safe.contains(|c| c != '\n' && is_deceptive(c)), "{safe:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_sends_is_short_and_visible(name in "\\PC*|.*") {
            if let Some(shown) = display_name(&name) {
                prop_assert!(shown.chars().count() <= MAX_CHARACTERS + 2);
                prop_assert!(!shown.trim().is_empty());
                prop_assert!(!shown.chars().any(|c| c.is_control() || is_deceptive(c)));
            }
        }
    }
}
