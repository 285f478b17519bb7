//! Watches a `multipart/form-data` body go by, without keeping it.
//!
//! Forgejo reads `sudo` and others from multipart fields. Two readers of multipart differ in preambles, line ends, folded
//! and repeated headers and RFC 2231 names, so only the plain form that clients send is let through: whatever could be a
//! delimiter or a name to Forgejo and not to us is refused. A part's header is passed on only after it was judged.

use bytes::{Bytes, BytesMut};
use memchr::memmem::{self, Finder};

use super::query::identity_parameter;

/// Longest header of one part, in bytes.
const PART_HEADER: usize = 8 * 1024;

/// Why a multipart body is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// Text before the first delimiter, after the last, or around one.
    #[error("there is something between the parts")]
    Delimiter,
    /// A part's header is too long, folded, or not made of plain lines.
    #[error("the header of a part is malformed")]
    PartHeader,
    /// A part without exactly one plain `form-data; name="…"`.
    #[error("a part has no plain field name")]
    FieldName,
    /// A field by which another identity would be taken.
    #[error("the field \"{0}\" is not allowed")]
    IdentityField(&'static str),
    /// The body ends before its last delimiter.
    #[error("the body is cut short")]
    CutShort,
}

/// A boundary that every reader understands in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(String);

/// The reader's state.
#[derive(Debug)]
pub struct Scanner {
    /// `--` and the boundary.
    dashes: Finder<'static>,
    state: State,
    /// Arrived, not yet passed on.
    held: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Start,
    /// Behind a delimiter: its line end or the closing dashes come next.
    Delimiter,
    /// In a part's header.
    Header,
    /// In a part's content.
    Content,
    /// Behind the closing delimiter.
    Closed,
}

// === impl Boundary ===

impl Boundary {
    /// Reads the boundary from a content type whose essence is `multipart/form-data`; `None` unless it is its only parameter and plain.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let (essence, parameter) = content_type.split_once(';')?;
        if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
        (name.trim().eq_ignore_ascii_case("boundary") && (1..=70).contains(&value.len()) && value.bytes().all(plain))
            .then(|| Self(value.to_owned()))
    }

    /// The content type that is forwarded.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary=\"{}\"", self.0)
    }
}

// === impl Scanner ===

impl Scanner {
    /// A scanner at the beginning of a body.
    #[must_use]
    pub fn new(boundary: &Boundary) -> Self {
        let dashes = format!("--{}", boundary.0);
        Self { dashes: Finder::new(dashes.as_bytes()).into_owned(), state: State::Start, held: BytesMut::new() }
    }

    /// Takes the next piece and gives what may be passed on (possibly nothing yet).
    pub fn push(&mut self, piece: &[u8]) -> Result<Bytes, MultipartError> {
        self.held.extend_from_slice(piece);
        let mut passed = BytesMut::new();
        while self.step(&mut passed)? {}
        Ok(passed.freeze())
    }

    /// The body has ended: gives the rest.
    pub fn finish(self) -> Result<Bytes, MultipartError> {
        if self.state != State::Closed {
            return Err(MultipartError::CutShort);
        }
        match &*self.held {
            b"" | b"\r\n" => Ok(self.held.freeze()),
            _ => Err(MultipartError::Delimiter),
        }
    }

    /// One state transition; false when more bytes are needed.
    fn step(&mut self, passed: &mut BytesMut) -> Result<bool, MultipartError> {
        match self.state {
            State::Start => {
                let dashes = self.dashes.needle();
                let compared = dashes.len().min(self.held.len());
                if self.held.get(..compared) != dashes.get(..compared) {
                    return Err(MultipartError::Delimiter);
                }
                if compared < dashes.len() {
                    return Ok(false);
                }
                self.pass(passed, compared, State::Delimiter);
            }
            State::Delimiter => match self.held.get(..2) {
                None => return Ok(false),
                Some(b"\r\n") => self.pass(passed, 2, State::Header),
                Some(b"--") => self.pass(passed, 2, State::Closed),
                Some(_) => return Err(MultipartError::Delimiter),
            },
            State::Header => {
                let end = memmem::find(&self.held, b"\r\n\r\n");
                if end.unwrap_or(self.held.len()) > PART_HEADER {
                    return Err(MultipartError::PartHeader);
                }
                let Some(end) = end else { return Ok(false) };
                judge_header(self.held.get(..end).unwrap_or_default())?;
                self.pass(passed, end + 4, State::Content);
            }
            State::Content => {
                let Some(at) = self.dashes.find(&self.held) else {
                    // Whatever could still be the beginning of a line end and a delimiter stays.
                    let keep = self.dashes.needle().len() + 1;
                    passed.unsplit(self.held.split_to(self.held.len().saturating_sub(keep)));
                    return Ok(false);
                };
                if !self.held.get(..at).is_some_and(|before| before.ends_with(b"\r\n")) {
                    return Err(MultipartError::Delimiter);
                }
                self.pass(passed, at + self.dashes.needle().len(), State::Delimiter);
            }
            State::Closed => {
                if !b"\r\n".starts_with(&self.held) {
                    return Err(MultipartError::Delimiter);
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn pass(&mut self, passed: &mut BytesMut, bytes: usize, next: State) {
        passed.unsplit(self.held.split_to(bytes));
        self.state = next;
    }
}

fn judge_header(header: &[u8]) -> Result<(), MultipartError> {
    let header = str::from_utf8(header).map_err(|_| MultipartError::PartHeader)?;
    let mut disposition = None;
    for line in header.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(MultipartError::PartHeader)?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
            return Err(MultipartError::PartHeader);
        }
        if name.eq_ignore_ascii_case("content-disposition") && disposition.replace(value).is_some() {
            return Err(MultipartError::FieldName);
        }
    }
    let name = field_name(disposition.ok_or(MultipartError::FieldName)?).ok_or(MultipartError::FieldName)?;
    match identity_parameter(name.as_bytes()) {
        Some(field) => Err(MultipartError::IdentityField(field)),
        None => Ok(()),
    }
}

/// The `name` of a `form-data` disposition; `None` if it is missing, repeated, encoded by RFC 2231 or has a backslash.
fn field_name(disposition: &str) -> Option<String> {
    let mut name = None;
    let mut rest = disposition.trim();
    let (kind, after) = rest.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    rest = after;
    while !rest.trim().is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = parameter_value(after.trim_start())?;
        let key = key.trim().to_ascii_lowercase();
        if key == "name" {
            if value.contains('\\') || name.replace(value.to_owned()).is_some() {
                return None;
            }
        } else if key.starts_with("name") || key.contains(|byte: char| !byte.is_ascii_alphanumeric() && byte != '*') {
            return None;
        }
        rest = after;
    }
    name
}

/// A token or quoted string (quotes removed, escapes left), and what follows its semicolon.
fn parameter_value(text: &str) -> Option<(&str, &str)> {
    let (value, after) = if let Some(quoted) = text.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.find(|char: char| {
            let ends = char == '"' && !escaped;
            escaped = char == '\\' && !escaped;
            ends
        })?;
        (quoted.get(..end)?, quoted.get(end + 1..)?)
    } else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        let value = value.trim_end();
        if value.contains(['"', ' ', '\t', '=', ',']) {
            return None;
        }
        (value, after)
    };
    let after = after.trim_start();
    if after.is_empty() { Some((value, "")) } else { after.strip_prefix(';').map(|after| (value, after)) }
}

#[cfg(test)]
mod tests;
