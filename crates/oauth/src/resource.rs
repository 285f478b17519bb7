//! `resource` (RFC 8707): there is one, `<issuer>/mcp`, and clients spell it in several ways (oauth.md §8, clients.md pain 13).

use url::Url;

/// The one protected resource, in canonical form: issuer + `/mcp`, no trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    canonical: String,
    origin: String,
}

/// A `resource` that names something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("resource must be {expected}")]
pub struct InvalidTarget {
    /// The one that would be right.
    pub expected: String,
}

// === impl Resource ===

impl Resource {
    /// The resource of the given issuer (an origin without trailing slash).
    #[must_use]
    pub fn of_issuer(issuer: &str) -> Self {
        Self { canonical: format!("{issuer}/mcp"), origin: issuer.to_owned() }
    }

    /// The canonical URL; the audience that is stored with every grant.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// Judges the `resource` parameters of a request. None is fine; a trailing slash, the bare origin, an upper-case host and the default
    /// port are tolerated.
    ///
    /// # Errors
    /// [`InvalidTarget`] when any of them is something else.
    pub fn judge<'a>(&self, requested: impl IntoIterator<Item = &'a str>) -> Result<(), InvalidTarget> {
        if requested.into_iter().all(|text| self.is_named_by(text)) {
            Ok(())
        } else {
            Err(InvalidTarget { expected: self.canonical.clone() })
        }
    }

    fn is_named_by(&self, text: &str) -> bool {
        let Ok(url) = Url::parse(text) else {
            return false;
        };
        if url.fragment().is_some() || url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        let normal = url.as_str();
        let normal = normal.strip_suffix('/').unwrap_or(normal);
        normal == self.canonical || normal == self.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_that_clients_use_are_accepted() {
        let resource = Resource::of_issuer("https://mcp.example.org");
        for text in [
            "https://mcp.example.org/mcp",
            "https://mcp.example.org/mcp/",
            "https://mcp.example.org/",
            "https://mcp.example.org",
            "HTTPS://MCP.Example.org:443/mcp",
        ] {
            assert_eq!(resource.judge([text]), Ok(()), "{text}");
        }
        assert_eq!(resource.judge([]), Ok(()));
    }

    #[test]
    fn anything_else_is_an_invalid_target() {
        let resource = Resource::of_issuer("https://mcp.example.org");
        for text in [
            "https://other.example.org/mcp",
            "http://mcp.example.org/mcp",
            "https://mcp.example.org/mcp/x",
            "https://mcp.example.org/MCP",
            "https://mcp.example.org/mcp?x=1",
            "https://mcp.example.org/mcp#x",
            "https://mcp.example.org@evil.example/mcp",
            "mcp",
        ] {
            assert!(resource.judge([text]).is_err(), "{text}");
            assert!(resource.judge(["https://mcp.example.org/mcp", text]).is_err(), "{text} beside the right one");
        }
    }
}
