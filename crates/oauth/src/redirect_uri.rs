//! Redirect URIs: which may be registered, and which one of a request belongs to a registration.
//!
//! Matching is exact, save that a loopback URI may use any port and an empty path equals `/` there (RFC 8252 §7.3, OAuth 2.1 §4.1.1;
//! oauth.md B09, §5.3: Claude Code registers `http://localhost/callback` and listens on a random port). A URI has to be in canonical form,
//! so that the text which is compared is the text that a browser acts on.

use std::fmt;

use url::{Host, Url};

/// Longest accepted URI, in bytes.
pub const MAX_LENGTH: usize = 2048;

/// Where an authorization response may be sent. Keeps the text as it was registered or requested.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

/// What stands behind a redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// A web server reached over https.
    Web,
    /// A program on the user's own machine, by http on a loopback name.
    Loopback,
    /// An application that owns a private-use scheme.
    PrivateScheme,
}

/// The operator's list of whole URIs that are accepted beyond the rules, such as `cursor://anysphere.cursor-mcp/oauth/callback`.
#[derive(Debug, Clone, Default)]
pub struct AllowList(Vec<String>);

/// Why a URI is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Longer than [`MAX_LENGTH`].
    #[error("a redirect URI may have at most {MAX_LENGTH} bytes")]
    TooLong,
    /// White space, control, non-ASCII characters or a backslash.
    #[error("a redirect URI may not contain white space, control or non-ASCII characters or a backslash")]
    Character,
    /// Does not parse as an absolute URI.
    #[error("not an absolute URI")]
    Syntax,
    /// `#` is not allowed (RFC 6749 §3.1.2).
    #[error("a redirect URI may not have a fragment")]
    Fragment,
    /// `user@` hides the host.
    #[error("a redirect URI may not contain user information")]
    UserInfo,
    /// Written in a way that a browser would change.
    #[error("write the redirect URI in its canonical form: {0}")]
    NotCanonical(String),
    /// http is for loopback only.
    #[error("http is accepted for 127.0.0.1, [::1] and localhost only; use https")]
    PlainHttp,
    /// Any other scheme.
    #[error(
        "the scheme `{0}` is not accepted; use https, http on loopback, or a reverse-DNS scheme such as com.example.app"
    )]
    Scheme(String),
}

// === impl AllowList ===

impl AllowList {
    /// A list of whole URIs, compared as text.
    #[must_use]
    pub fn new(uris: Vec<String>) -> Self {
        Self(uris)
    }

    fn has(&self, text: &str) -> bool {
        self.0.iter().any(|entry| entry == text)
    }
}

// === impl RedirectUri ===

impl RedirectUri {
    /// Judges a URI for registration.
    ///
    /// # Errors
    /// [`InvalidRedirectUri`] says which rule it breaks.
    pub fn parse(text: &str, allowed: &AllowList) -> Result<Self, InvalidRedirectUri> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidRedirectUri::TooLong);
        }
        if text.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b == b'\\') {
            return Err(InvalidRedirectUri::Character);
        }
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::Syntax)?;
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(InvalidRedirectUri::UserInfo);
        }
        let kind = match url.scheme() {
            "https" => Kind::Web,
            "http" if is_loopback(&url) => Kind::Loopback,
            "http" => return Err(InvalidRedirectUri::PlainHttp),
            "javascript" | "data" | "file" | "blob" | "about" | "ftp" | "ws" | "wss" => {
                return Err(InvalidRedirectUri::Scheme(url.scheme().to_owned()));
            }
            scheme if is_reverse_dns(scheme) || allowed.has(text) => Kind::PrivateScheme,
            scheme => return Err(InvalidRedirectUri::Scheme(scheme.to_owned())),
        };
        if with_path(text) != url.as_str() {
            return Err(InvalidRedirectUri::NotCanonical(url.to_string()));
        }
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The text, exactly as it was registered or requested.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands behind it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a person is shown: the host as parsed (punycode), with its port, or the scheme of a private-use URI.
    #[must_use]
    pub fn shown_host(&self) -> String {
        let Ok(url) = Url::parse(&self.text) else {
            return String::new();
        };
        match (self.kind, url.host_str(), url.port()) {
            (Kind::PrivateScheme, _, _) | (_, None, _) => format!("{}:", url.scheme()),
            (_, Some(host), Some(port)) => format!("{host}:{port}"),
            (_, Some(host), None) => host.to_owned(),
        }
    }

    /// The host as parsed, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        Url::parse(&self.text).ok()?.host_str().map(str::to_owned)
    }

    /// Whether a request's `redirect_uri` is this registered one.
    #[must_use]
    pub fn admits(&self, requested: &str) -> bool {
        if self.text == requested {
            return true;
        }
        self.kind == Kind::Loopback
            && Self::parse(requested, &AllowList::default()).is_ok_and(|other| {
                other.kind == Kind::Loopback && without_port(&self.text) == without_port(&other.text)
            })
    }

    /// The request's URI, if one of the registered ones admits it. An absent one is admitted only if exactly one is registered
    /// (OAuth 2.1 §4.1.1).
    #[must_use]
    pub fn select(registered: &[Self], requested: Option<&str>) -> Option<Self> {
        match (requested, registered) {
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
            (Some(requested), _) => registered
                .iter()
                .find(|uri| uri.admits(requested))
                .map(|uri| Self { text: requested.to_owned(), kind: uri.kind }),
        }
    }

    /// The URI with `pairs` added to its query (RFC 6749 §4.1.2).
    #[must_use]
    pub fn with_query(&self, pairs: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        let separator = if self.text.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.text, query.finish())
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedirectUri").field(&self.text).finish()
    }
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// RFC 8252 §7.1: a private-use scheme is a domain name under the application's control, in reverse order.
fn is_reverse_dns(scheme: &str) -> bool {
    scheme.contains('.') && scheme.split('.').all(|label| !label.is_empty())
}

/// The text with the path that the URL parser adds to a web URI that has none.
fn with_path(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    if rest[end..].starts_with('/') || !matches!(scheme, "http" | "https") {
        return text.to_owned();
    }
    format!("{scheme}://{}/{}", &rest[..end], &rest[end..])
}

fn without_port(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    url.set_port(None).ok()?;
    Some(url)
}

#[cfg(test)]
mod tests;
