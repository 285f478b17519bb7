//! Names that strangers chose, made fit to be shown.

/// Longest name shown, in characters.
const MAX_CHARACTERS: usize = 60;
/// More marks than this on one letter only serve to cover other lines.
const MAX_MARKS: usize = 2;

/// A stranger's name without what deceives: control characters, direction overrides, invisible characters, towers of marks; white
/// space collapsed, length capped. Escaping is the template's work. `None` if nothing is left.
#[must_use]
pub fn display_name(text: &str) -> Option<String> {
    display_text(text, MAX_CHARACTERS)
}

/// The same for texts of a stranger's that may be `longest` characters long.
#[must_use]
pub(super) fn display_text(text: &str, longest: usize) -> Option<String> {
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

/// Control and format characters, fillers that look like nothing, private use.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
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
