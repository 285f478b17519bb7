//! Texts of Forgejo's on their way to a log, a page or a model.
//!
//! Forgejo quotes bad tokens in its error messages, and a description can hold whatever its writer liked.

const LONGEST: usize = 300;

/// One line of at most 300 characters without control, direction or invisible characters, each of `secrets` replaced.
#[must_use]
pub fn for_display(text: &str, secrets: &[&str]) -> String {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
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

/// Characters that change how others are shown, or that are not seen.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}
