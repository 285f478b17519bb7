//! A link to somewhere else that says where it leads.

use url::Url;

use super::destination::Destination;

/// A link whose text names the place to which it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLink {
    href: String,
    label: String,
}

// === impl NamedLink ===

impl NamedLink {
    /// A link to this address. `None` for schemes that a browser would run or open itself.
    #[must_use]
    pub fn to(url: &Url) -> Option<Self> {
        if matches!(
            url.scheme(),
            "javascript" | "data" | "file" | "vbscript" | "blob" | "about" | "view-source" | "filesystem"
        ) {
            return None;
        }
        let label = match Destination::of(url) {
            Destination::Host(host) => format!("Continue to {host}"),
            Destination::Loopback(host) => format!("Return to the program on this computer ({host})"),
            Destination::App(scheme) => format!("Return to the app ({scheme}:)"),
        };
        Some(Self { href: url.as_str().to_owned(), label })
    }

    /// Where it leads.
    #[must_use]
    pub fn href(&self) -> &str {
        &self.href
    }

    /// Its text.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}
