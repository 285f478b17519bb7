//! Addresses that a stranger has chosen and that we fetch from (checks 1, 11 and 12).

use std::fmt;

use ::url::{Host, Url};

/// Longest accepted address, in bytes.
const MAX_LENGTH: usize = 2048;

/// An address from which we fetch on a stranger's word: https, a named host, nothing that hides another one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FetchUrl(Url);

/// The address of a client ID metadata document, which is the `client_id` itself, to the letter.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DocumentUrl(FetchUrl);

/// Why an address is not fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Longer than 2048 bytes.
    #[error("the address is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// White space, control or non-ASCII characters, or a backslash.
    #[error("the address contains white space, control or non-ASCII characters or a backslash")]
    Character,
    /// Does not parse.
    #[error("not a URL")]
    Syntax,
    /// Not https.
    #[error("the address must begin with https://")]
    Scheme,
    /// An IP address instead of a name, in whatever notation.
    #[error("the address must name a host, not an IP address")]
    AddressLiteral,
    /// A host with a dot at its end.
    #[error("the host ends in a dot")]
    TrailingDot,
    /// `user@` hides the host.
    #[error("the address contains user information")]
    UserInfo,
    /// A fragment.
    #[error("the address has a fragment")]
    Fragment,
    /// No path, or nothing but `/`.
    #[error("the address has no path")]
    NoPath,
    /// Dot segments, an upper-case host, a default port: anything that a parser would rewrite.
    #[error("the address is not in its canonical form")]
    NotCanonical,
}

// === impl FetchUrl ===

impl FetchUrl {
    /// Judges an address by its text. What its name resolves to is judged where it is dialled.
    ///
    /// # Errors
    /// [`InvalidUrl`] says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidUrl::TooLong);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
            return Err(InvalidUrl::Character);
        }
        let url = Url::parse(text).map_err(|_| InvalidUrl::Syntax)?;
        if url.scheme() != "https" {
            return Err(InvalidUrl::Scheme);
        }
        if text.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let authority =
            text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
        if authority.contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        match url.host() {
            Some(Host::Domain(name)) if name.ends_with('.') => return Err(InvalidUrl::TrailingDot),
            Some(Host::Domain(_)) => {}
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(InvalidUrl::AddressLiteral),
            None => return Err(InvalidUrl::Syntax),
        }
        Ok(Self(url))
    }

    /// The address, in canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The address, parsed.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The host: lower case, punycode.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl fmt::Debug for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FetchUrl").field(&self.as_str()).finish()
    }
}

// === impl DocumentUrl ===

impl DocumentUrl {
    /// Whether a `client_id` means to be the address of a document. The ids that we give out never do (oauth.md §5.1).
    #[must_use]
    pub fn is_meant_by(client_id: &str) -> bool {
        client_id.starts_with("https://")
    }

    /// Judges a `client_id` that is an address (check 1). A query is tolerated, as the draft only advises against it.
    ///
    /// # Errors
    /// [`InvalidUrl`] says which rule it breaks.
    pub fn parse(client_id: &str) -> Result<Self, InvalidUrl> {
        let url = FetchUrl::parse(client_id)?;
        if matches!(url.0.path(), "" | "/") {
            return Err(InvalidUrl::NoPath);
        }
        // The text is what is compared with the document's client_id, the parsed form is what is fetched: they have to be one.
        if url.as_str() != client_id {
            return Err(InvalidUrl::NotCanonical);
        }
        Ok(Self(url))
    }

    /// The `client_id`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, which is what is shown to the user (check 14).
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// The address to fetch from.
    #[must_use]
    pub fn fetch_url(&self) -> &FetchUrl {
        &self.0
    }
}

impl fmt::Debug for DocumentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DocumentUrl").field(&self.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> InvalidUrl {
        DocumentUrl::parse(text).expect_err(text)
    }

    #[test]
    fn the_documents_of_the_clients_in_use_are_accepted() {
        // clients.md §2
        for text in [
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
            "https://claude.ai/oauth/claude-code-client-metadata",
            "https://chatgpt.com/oauth/abc123/client.json",
            "https://chatgpt.com/oauth/codex/client.json",
            "https://vscode.dev/oauth/client-metadata.json",
            "https://opencode.ai/oauth/opencode/client.json",
            "https://grok.com/oauth/mcp-client.json",
            "https://localhost:8443/client.json",
            "https://app.example/client?id=1",
        ] {
            assert_eq!(DocumentUrl::parse(text).map(|url| url.as_str().to_owned()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn check_1_the_form_of_the_address() {
        assert_eq!(refused("http://app.example/c"), InvalidUrl::Scheme);
        assert_eq!(refused("https://app.example"), InvalidUrl::NoPath);
        assert_eq!(refused("https://app.example/"), InvalidUrl::NoPath);
        assert_eq!(refused("https://app.example/c#f"), InvalidUrl::Fragment);
        assert_eq!(refused("https://app.example/c#"), InvalidUrl::Fragment);
        assert_eq!(refused("https://user@app.example/c"), InvalidUrl::UserInfo);
        assert_eq!(refused("https://@app.example/c"), InvalidUrl::UserInfo);
        assert_eq!(refused("https://user:pw@app.example/c"), InvalidUrl::UserInfo);
        for dotted in ["/a/../c", "/a/./c", "/a/%2e%2e/c", "/a/.%2E/c", "/."] {
            let text = format!("https://app.example{dotted}");
            assert!(DocumentUrl::parse(&text).is_err(), "{text}");
        }
        assert_eq!(refused("https://APP.example/c"), InvalidUrl::NotCanonical);
        assert_eq!(refused("https://app.example:443/c"), InvalidUrl::NotCanonical);
        assert_eq!(refused("https:app.example/c"), InvalidUrl::NotCanonical);
        assert_eq!(refused("https://app.example./c"), InvalidUrl::TrailingDot);
        assert_eq!(refused("https://app.example\\@evil.example/c"), InvalidUrl::Character);
        assert_eq!(refused("https://app.example/ c"), InvalidUrl::Character);
        assert_eq!(refused("https://äpp.example/c"), InvalidUrl::Character);
        assert_eq!(refused(&format!("https://app.example/{}", "c".repeat(2048))), InvalidUrl::TooLong);
    }

    #[test]
    fn check_11_an_address_literal_is_refused_in_every_notation() {
        for host in [
            "127.0.0.1",
            "[::1]",
            "169.254.169.254",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "127.1",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(refused(&format!("https://{host}/c")), InvalidUrl::AddressLiteral, "{host}");
        }
    }

    #[test]
    fn check_12_the_address_of_keys_obeys_the_same_rules_but_for_its_path() {
        assert!(FetchUrl::parse("https://chatgpt.com/oauth/jwks.json").is_ok());
        assert_eq!(FetchUrl::parse("https://10.0.0.1/jwks.json"), Err(InvalidUrl::AddressLiteral));
        assert_eq!(FetchUrl::parse("http://chatgpt.com/jwks.json"), Err(InvalidUrl::Scheme));
        assert_eq!(FetchUrl::parse("file:///etc/passwd"), Err(InvalidUrl::Scheme));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_the_text_that_is_fetched_and_names_a_host(text in "https://[a-z0-9.@:/\\\\#?%\\[\\]-]{1,40}") {
            if let Ok(url) = DocumentUrl::parse(&text) {
                prop_assert_eq!(url.as_str(), &text);
                prop_assert!(matches!(url.fetch_url().url().host(), Some(Host::Domain(_))));
                prop_assert!(url.fetch_url().url().username().is_empty());
            }
        }

        #[test]
        fn no_text_makes_the_judge_panic(text in ".*") {
            let _ = DocumentUrl::parse(&text);
        }
    }
}
