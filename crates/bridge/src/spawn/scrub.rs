//! Takes out of a line what must not reach a log: the worker's own capability, and whatever has the shape of a secret.
//!
//! A worker holds no secret but its capability, so the shapes are the second net. They err on the side of hiding: what is
//! lost is a word in a debug log.

/// Stands where a secret stood.
const HIDDEN: &str = "[hidden]";

/// Beginnings that token issuers chose to be recognised by.
const PREFIXES: [&str; 6] = ["gto_", "fjb_", "ghp_", "gho_", "github_pat_", "glpat-"];
/// Headers whose value is a secret to its end.
const HEADERS: [&str; 3] = ["authorization", "set-cookie", "cookie"];
/// Schemes of an Authorization value, seen without the header's name.
const SCHEMES: [&str; 3] = ["bearer ", "basic ", "token "];
/// Words that end the name of a setting or field which holds a secret.
const NAMES: [&str; 4] = ["token", "secret", "password", "passwd"];

/// Knows one worker's capability.
pub(super) struct Scrubber {
    capability: String,
}

/// Where a secret begins and ends in the text.
type Span = (usize, usize);

// === impl Scrubber ===

impl Scrubber {
    pub(super) fn new(capability: String) -> Self {
        Self { capability }
    }

    /// The length that a cut-off capability can have at most, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.capability.len()
    }

    /// One line as it may be logged: without terminal sequences, control characters and secrets.
    pub(super) fn scrub(&self, line: &[u8]) -> String {
        let plain = plain_text(line);
        if self.capability.is_empty() {
            hide_shapes(&plain)
        } else {
            hide_shapes(&plain.replace(&self.capability, HIDDEN))
        }
    }
}

/// Text without ANSI escape sequences (ECMA-48 §5.4, §5.6); other control characters become spaces.
fn plain_text(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => match chars.next() {
                Some('[') => while chars.next().is_some_and(|char| !('@'..='~').contains(&char)) {},
                Some(']') => {
                    while chars.next_if(|char| !matches!(char, '\u{7}' | '\u{1b}')).is_some() {}
                    chars.next_if_eq(&'\u{7}');
                }
                _ => {}
            },
            '\t' => plain.push('\t'),
            char if char.is_control() => plain.push(' '),
            char => plain.push(char),
        }
    }
    plain
}

fn hide_shapes(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(char) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if let Some((start, end)) = secret_at(text, at) {
            shown.push_str(&text[at..start]);
            shown.push_str(HIDDEN);
            at = end;
        } else {
            shown.push(char);
            at += char.len_utf8();
        }
    }
    shown
}

/// The secret whose recognisable beginning is at `at`.
fn secret_at(text: &str, at: usize) -> Option<Span> {
    let rest = &text[at..];
    if rest.starts_with("://") {
        return user_info(text, at + 3);
    }
    let inside_word = text[..at].bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if rest.starts_with("[sha: ") {
        return long_word(text, at + 6, 8);
    }
    if let Some(name) = NAMES.iter().find(|name| starts_with(rest, name)) {
        // `access_token` and `clientSecret` end in such a word, so it may stand inside a longer one.
        if let Some(span) = value_of(text, at + name.len()) {
            return Some(span);
        }
    }
    if inside_word {
        return None;
    }
    if rest.starts_with("eyJ") {
        return long_word(text, at, 13);
    }
    if PREFIXES.iter().any(|prefix| rest.starts_with(prefix)) {
        return long_word(text, at, 8);
    }
    if let Some(name) = HEADERS.iter().find(|name| starts_with(rest, name)) {
        return header_value(text, at + name.len());
    }
    let scheme = SCHEMES.iter().find(|scheme| starts_with(rest, scheme))?;
    let at_least = if *scheme == "token " { 20 } else { 8 };
    long_word(text, at + scheme.len(), at_least)
}

fn starts_with(text: &str, lower: &str) -> bool {
    text.as_bytes().get(..lower.len()).is_some_and(|head| head.eq_ignore_ascii_case(lower.as_bytes()))
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// The run of token characters at `start`, if it is long enough to be a secret.
fn long_word(text: &str, start: usize, at_least: usize) -> Option<Span> {
    let length = text.as_bytes()[start..].iter().take_while(|byte| is_of_token(**byte)).count();
    (length >= at_least).then_some((start, start + length))
}

/// `: token abc`, `=[token abc]`, `":"token abc"`: everything up to what closes it.
fn header_value(text: &str, start: usize) -> Option<Span> {
    let opening = text.as_bytes()[start..].iter().take_while(|byte| b" \t\"':=[\\".contains(*byte)).count();
    let begin = start + opening;
    let length = text.as_bytes()[begin..].iter().take_while(|byte| !b"\"'],}\\".contains(*byte)).count();
    let separated = text[start..begin].contains([':', '=']);
    (separated && length > 0).then_some((begin, begin + length))
}

/// `=abc`, `":"abc"`, `: abc`: the value of a field. After a colon and a space, where prose is likely, only a long word is one.
fn value_of(text: &str, start: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let quotes = |from: usize| bytes[from..].iter().take_while(|byte| b"\"'\\".contains(*byte)).count();
    let separator = start + quotes(start);
    let (spaces, at_least) = match bytes.get(separator)? {
        b'=' => (0, 4),
        b':' => (bytes[separator + 1..].iter().take_while(|byte| **byte == b' ').count(), 4),
        _ => return None,
    };
    let opening = quotes(separator + 1 + spaces);
    let at_least = if spaces > 0 && opening == 0 { 16 } else { at_least };
    long_word(text, separator + 1 + spaces + opening, at_least)
}

/// `user:password@` of a URL.
fn user_info(text: &str, start: usize) -> Option<Span> {
    let authority = text[start..].split(['/', '?', '#', ' ', '"', '\'']).next()?;
    let (info, _) = authority.rsplit_once('@')?;
    (!info.is_empty()).then_some((start, start + info.len()))
}

#[cfg(test)]
mod tests;
