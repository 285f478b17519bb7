//! A URL that may carry a user name and a password.

use std::fmt;

use url::Url;

use super::problem::Fault;

/// A URL that shows itself without its user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

// === impl SecretUrl ===

impl SecretUrl {
    pub(super) fn parse_http(text: &str) -> Result<Self, Fault> {
        let remedy = "write a URL such as http://proxy.example.org:3128";
        let url = Url::parse(text).map_err(|error| Fault::new(format!("not a URL: {error}"), remedy))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Fault::new("neither http nor https", remedy));
        }
        Ok(Self(url))
    }

    /// The URL with everything in it. Never logged.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(self.0.as_str()))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// A URL's text without what can be secret: everything before the last `@`, and the query.
pub(super) fn mask(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let separator = if scheme.is_empty() { "" } else { "://" };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{separator}***@{host}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_url_shows_neither_user_nor_password() {
        let url = SecretUrl::parse_http("http://me:hunter2@proxy.test:3128").unwrap();
        for text in [format!("{url}"), format!("{url:?}")] {
            assert!(
                text.contains("***@proxy.test:3128") && !text.contains("hunter2") && !text.contains("me:"),
                "{text}"
            );
        }
        assert_eq!(url.expose().password(), Some("hunter2"));
        assert_eq!(mask("postgres://u:p@h/db?password=x"), "postgres://***@h/db");
        assert_eq!(mask("u:p@h"), "***@h");
    }
}
