//! Texts of strangers on their way to a page, a table, a log or a model: which characters deceive, in the one place that says so, and
//! Forgejo's texts without them.
//!
//! Forgejo quotes bad tokens in its error messages, and a name or a description can hold whatever its writer liked.

const LONGEST: usize = 300;

/// One line of at most 300 characters without characters that deceive, each of `secrets` replaced.
#[must_use]
pub fn for_display(text: &str, secrets: &[&str]) -> String {
    let visible: String = text.chars().filter(|&c| c.is_whitespace() || c.is_control() || !is_deceptive(c)).collect();
    let words = visible.split(|c: char| c.is_whitespace() || c.is_control());
    let mut line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    // After the clean-up, which could put a secret together again.
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        line = line.replace(secret, "[removed]");
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Whether a character steers what shows it, changes how others are shown, or is not seen: control and format characters, direction
/// overrides, fillers that look like nothing, private use.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_hides_or_turns_a_text_deceives_and_honest_text_does_not() {
        for c in [
            '\u{0}',
            '\u{1b}',
            '\u{9b}',
            '\n',
            '\u{202e}',
            '\u{2066}',
            '\u{2028}',
            '\u{200b}',
            '\u{feff}',
            '\u{e0041}',
            '\u{3164}',
        ] {
            assert!(is_deceptive(c), "{c:?}");
        }
        assert!(!"Gérard’s エージェント 🦊 – a_b/c-d.e".chars().any(is_deceptive));
    }

    #[test]
    fn a_text_of_forgejos_is_one_line_without_what_deceives() {
        assert_eq!(for_display("a\u{202e}b\r\nc\u{1b}[2J\u{2028}d\u{3164}", &[]), "ab c [2J d");
        assert_eq!(for_display("x sec\u{200b}ret y", &["secret"]), "x [removed] y");
        assert_eq!(for_display(&"x".repeat(500), &[]).chars().count(), LONGEST + 1);
    }
}
