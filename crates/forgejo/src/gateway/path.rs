//! The path of a worker's request, read the way Forgejo's router reads it.
//!
//! Forgejo collapses repeated slashes, decodes escaped characters and ignores a trailing slash before it routes, so a
//! rule that looks at the raw text can be walked around. Here a path is decoded once into segments, everything that two
//! readers could understand differently is refused, and what is forwarded is written anew from those segments. Rejected:
//! passing the original text on after a check of a normalised copy, because then the two could differ.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays unescaped in a path segment that we write: RFC 3986's `pchar` without the per cent sign.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Below `/repos/{owner}/{repo}/` in the API: after these words come names that people choose (branches, files, tags,
/// wiki pages), which may hold an escaped slash and any word.
const FREE_NAMES: &[&str] = &[
    "archive",
    "branch_protections",
    "branches",
    "commits",
    "compare",
    "contents",
    "diffpatch",
    "editorconfig",
    "git",
    "media",
    "pulls",
    "raw",
    "releases",
    "statuses",
    "sync_fork",
    "tag_protections",
    "tags",
    "topics",
    "wiki",
];

/// First segments of Forgejo's own pages, which no user can be called (Forgejo's `reservedUsernames`).
const RESERVED_OWNERS: &[&str] = &[
    "-",
    ".well-known",
    "admin",
    "api",
    "assets",
    "attachments",
    "avatar",
    "avatars",
    "captcha",
    "commits",
    "debug",
    "devtest",
    "error",
    "explore",
    "favicon.ico",
    "forgejo-actions",
    "ghost",
    "gitea-actions",
    "issues",
    "login",
    "manifest.json",
    "metrics",
    "milestones",
    "new",
    "notifications",
    "org",
    "pulls",
    "raw",
    "repo",
    "repo-avatars",
    "robots.txt",
    "search",
    "serviceworker.js",
    "ssh_info",
    "swagger.v1.json",
    "user",
    "v2",
];

/// Why a path is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("the path must begin with a slash")]
    NotAbsolute,
    /// A per cent sign that is not followed by two hexadecimal digits.
    #[error("the path has a per cent sign that begins no escape")]
    BrokenEscape,
    /// What the escapes mean is not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// A segment that is `.` or `..`, plain, escaped or behind an escaped slash.
    #[error("the path has a dot segment")]
    DotSegment,
    /// A backslash, plain or escaped.
    #[error("the path has a backslash")]
    Backslash,
    /// A control character, plain or escaped.
    #[error("the path has a control character")]
    ControlCharacter,
    /// An escape that decodes to another escape.
    #[error("the path is escaped twice")]
    DoubleEscape,
    /// An escaped slash where no branch, file or page name can stand, or one beside another slash.
    #[error("the path has an escaped slash where none can be")]
    EscapedSlash,
    /// A URL could not carry it as it was judged.
    #[error("the path has more than one reading")]
    Ambiguous,
    /// Neither the API nor one of Forgejo's downloads.
    #[error("the path is neither below /api/v1 nor a download of Forgejo's")]
    UnknownPlace,
}

/// Which part of Forgejo a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `/api/v1/…`
    Api,
    /// `/attachments/{uuid}`
    Attachment,
    /// `/{owner}/{repo}/{attachments,releases/download,archive,raw,media}/…`
    RepositoryFile,
}

/// A judged path: decoded segments, and the text that is forwarded.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetPath {
    segments: Vec<String>,
    text: String,
    place: Place,
}

/// A repository as a path names it, folded: Forgejo compares both parts without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName {
    /// Lower-case name of the user or organisation.
    pub owner: String,
    /// Lower-case name of the repository.
    pub name: String,
}

// === impl RepositoryName ===

impl RepositoryName {
    /// The repository that a path of Forgejo's names, pages for browsers included.
    pub(super) fn of_page(path: &str) -> Option<Self> {
        let path = path.trim_start_matches('/');
        let mut segments =
            path.strip_prefix("api/v1/repos/").unwrap_or(path).split('/').filter(|part| !part.is_empty());
        let (owner, name) = (segments.next()?.to_lowercase(), segments.next()?.to_lowercase());
        let name = name.strip_suffix(".git").map_or(name.clone(), str::to_owned);
        let is_page = RESERVED_OWNERS.contains(&owner.as_str()) || !is_name(&owner) || !is_name(&name);
        (!is_page).then_some(Self { owner, name })
    }
}

// === impl TargetPath ===

impl TargetPath {
    /// Reads the path part of a request target (no query).
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        let rest = raw.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let segments =
            rest.split('/').filter(|segment| !segment.is_empty()).map(decode).collect::<Result<Vec<_>, _>>()?;
        let place = place(&segments)?;
        let free_from = free_from(place, &segments);
        if segments.iter().take(free_from).any(|segment| segment.contains('/')) {
            return Err(PathError::EscapedSlash);
        }
        Ok(Self { text: Self::escaped(&segments), segments, place })
    }

    /// The path as it is forwarded, beginning with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// All decoded segments.
    pub(super) fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Decoded segments as they stand in a path, each behind a slash.
    pub(super) fn escaped(segments: &[String]) -> String {
        let mut text = String::new();
        for segment in segments {
            text.push('/');
            text.extend(utf8_percent_encode(segment, SEGMENT));
        }
        text
    }

    /// Which part of Forgejo it belongs to.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The decoded segments below `/api/v1`, if the path is the API's.
    #[must_use]
    pub fn api(&self) -> Option<&[String]> {
        match self.place {
            Place::Api => self.segments.get(2..),
            Place::Attachment | Place::RepositoryFile => None,
        }
    }

    /// The repository that the path names, if it names one by owner and name.
    #[must_use]
    pub fn repository(&self) -> Option<RepositoryName> {
        let (owner, name) = match self.place {
            Place::Api => match self.api()? {
                [first, owner, name, ..] if first.eq_ignore_ascii_case("repos") => (owner, name),
                _ => return None,
            },
            Place::RepositoryFile => (self.segments.first()?, self.segments.get(1)?),
            Place::Attachment => return None,
        };
        Some(RepositoryName { owner: owner.to_lowercase(), name: name.to_lowercase() })
    }

    /// Whether what Forgejo answers here is a file's own bytes, which nobody may alter.
    #[must_use]
    pub fn is_raw_content(&self) -> bool {
        match self.api() {
            None => true,
            Some([first, _, _, kind, ..]) => {
                first.eq_ignore_ascii_case("repos") && ["raw", "media", "archive"].contains(&kind.as_str())
            }
            Some(_) => false,
        }
    }
}

impl fmt::Debug for TargetPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("TargetPath").field(&self.text).finish()
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Whether people choose what follows `kind` below `/repos/{owner}/{repo}/`.
pub(super) fn is_free_name_kind(kind: &str) -> bool {
    FREE_NAMES.iter().any(|known| known.eq_ignore_ascii_case(kind))
}

fn decode(segment: &str) -> Result<String, PathError> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let [high, low, after @ ..] = tail else {
                return Err(PathError::BrokenEscape);
            };
            let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                return Err(PathError::BrokenEscape);
            };
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    let decoded = String::from_utf8(bytes).map_err(|_| PathError::NotUtf8)?;
    if decoded.contains('\\') {
        return Err(PathError::Backslash);
    }
    if decoded.chars().any(char::is_control) {
        return Err(PathError::ControlCharacter);
    }
    if decoded.as_bytes().windows(3).any(|three| matches!(three, [b'%', a, b] if hex(*a).and(hex(*b)).is_some())) {
        return Err(PathError::DoubleEscape);
    }
    for part in decoded.split('/') {
        match part {
            "." | ".." => return Err(PathError::DotSegment),
            "" => return Err(PathError::EscapedSlash),
            _ => {}
        }
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn place(segments: &[String]) -> Result<Place, PathError> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["api", "v1", _, ..] => Ok(Place::Api),
        ["attachments", uuid] if is_uuid(uuid) => Ok(Place::Attachment),
        [owner, ..] if RESERVED_OWNERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(owner)) => {
            Err(PathError::UnknownPlace)
        }
        [owner, repo, "attachments", uuid] if is_name(owner) && is_name(repo) && is_uuid(uuid) => {
            Ok(Place::RepositoryFile)
        }
        [owner, repo, "releases", "download", _, _, ..] | [owner, repo, "archive" | "raw" | "media", _, ..]
            if is_name(owner) && is_name(repo) =>
        {
            Ok(Place::RepositoryFile)
        }
        _ => Err(PathError::UnknownPlace),
    }
}

/// The first segment that may hold an escaped slash.
fn free_from(place: Place, segments: &[String]) -> usize {
    match place {
        Place::Api => match segments.get(2).map(String::as_str) {
            Some("repos") if segments.get(5).is_some_and(|kind| is_free_name_kind(kind)) => 6,
            // `/packages/{owner}/{type}/{name}/…`: names of scoped packages have a slash.
            Some("packages") => 5,
            _ => usize::MAX,
        },
        Place::RepositoryFile => match segments.get(2).map(String::as_str) {
            Some("attachments") => usize::MAX,
            Some("releases") => 4,
            _ => 3,
        },
        Place::Attachment => usize::MAX,
    }
}

/// Letters, digits, `-`, `_` and `.`: what Forgejo lets users and repositories be called.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests;
