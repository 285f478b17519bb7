//! What never reaches a log, whoever asks for it.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Fields whose text is never written; numbers and truth values spend nothing. The last part of a dotted name counts: `oauth.code` is `code`.
///
/// - credentials: headers and parameters that can be spent (RFC 6749, RFC 6750, RFC 7636), our cookies, Forgejo's tokens, a
///   worker's capability, keys;
/// - what users do: bodies, queries, tool arguments and results.
pub const FIELDS: [&str; 30] = [
    "access_token",
    "arguments",
    "assertion",
    "authorization",
    "body",
    "capability",
    "client_assertion",
    "client_secret",
    "code",
    "code_challenge",
    "code_verifier",
    "cookie",
    "credential",
    "csrf",
    "encryption_key",
    "env",
    "id_token",
    "key",
    "params",
    "password",
    "query",
    "refresh_token",
    "result",
    "secret",
    "session_id",
    "set_cookie",
    "state",
    "stdin",
    "stdout",
    "token",
];

/// What our own tokens begin with (`fjb_at_…`): recognised wherever they stand.
pub const TOKEN_PREFIX: &str = "fjb_";

/// What a secret follows, prepared for searching: every text that is logged is searched.
static SIGNS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new(TOKEN_PREFIX), Finder::new(BEARER)]);

/// The end of `Bearer `, in any case of its first letter.
const BEARER: &str = "earer ";

const WITHHELD: &str = "[never logged]";

/// The value as it may be written.
#[must_use]
pub fn permitted<'a>(field: &str, value: &'a str) -> Cow<'a, str> {
    let name = field.rsplit('.').next().unwrap_or(field);
    if FIELDS.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
        return Cow::Borrowed(WITHHELD);
    }
    scrub(value)
}

/// Cuts our own tokens out of a text, and what follows `Bearer ` or `token ` as a header's value would.
fn scrub(value: &str) -> Cow<'_, str> {
    if SIGNS.iter().all(|sign| sign.find(value.as_bytes()).is_none()) {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) =
        [rest.find(TOKEN_PREFIX), rest.find(BEARER).map(|at| at + BEARER.len())].into_iter().flatten().min()
    {
        let (before, after) = rest.split_at(start);
        let secret = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~' | '+' | '/' | '=');
        let end = after.find(|c| !secret(c)).unwrap_or(after.len());
        text.push_str(before);
        text.push_str(WITHHELD);
        rest = &after[end..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_fields_are_withheld_under_any_prefix_and_case() {
        for field in ["token", "oauth.code", "http.Authorization", "forgejo.refresh_token", "mcp.arguments"] {
            assert_eq!(permitted(field, "x"), WITHHELD, "{field}");
        }
        assert_eq!(permitted("http.route", "/oauth/token"), "/oauth/token");
        assert_eq!(permitted("http.status_code_class", "4xx"), "4xx");
    }

    #[test]
    fn tokens_are_cut_out_of_any_text() {
        assert_eq!(
            permitted("message", "got fjb_at_AbC-1_2 twice: fjb_rt_x"),
            "got [never logged] twice: [never logged]"
        );
        assert_eq!(permitted("error", "header `Bearer abc.def` refused"), "header `Bearer [never logged]` refused");
        assert_eq!(permitted("message", "plain"), "plain");
    }
}
