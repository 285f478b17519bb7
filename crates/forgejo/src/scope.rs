//! Forgejo's OAuth2 scopes, as we ask for them and as a grant holds them.
//!
//! Forgejo drops every scope that it does not know, and a list of which nothing is left means *everything*: a spelling
//! mistake grants full access without a word. So what we ask for is checked here against Forgejo's own list, and what a
//! grant holds is read the way Forgejo reads it, which is a different type.

use std::{collections::BTreeMap, fmt, str::FromStr};

#[cfg(test)]
mod tests;

/// What we ask for when the operator says nothing: all that forgejo-mcp's tools need.
pub const DEFAULT_SCOPES: &str = "write:repository write:issue write:organization write:user write:notification";

/// A part of Forgejo's API, as its scopes divide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Category {
    Activitypub,
    Admin,
    Misc,
    Notification,
    Organization,
    Package,
    Issue,
    Repository,
    User,
}

/// What may be done there. `Write` implies `Read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Read,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Api(Access, Category),
    /// `openid`, `profile`, `email`, `groups`: they shape the id token and give no access to the API.
    Oidc(&'static str),
    /// Restricts all others to what is public.
    PublicOnly,
}

/// The scopes we ask Forgejo for: each known to Forgejo, at least one of them an API scope, in the operator's order.
///
/// The order is kept because Forgejo compares a public application's scope with its grant's as a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgejoScopes(Vec<Scope>);

/// The scopes that a grant at Forgejo holds, as its introspection tells them. Anything may stand there: the list was once
/// asked for by somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedScopes {
    /// `all`, or nothing that Forgejo knows.
    everything: bool,
    public_only: bool,
    access: BTreeMap<Category, Access>,
}

/// Why a list of scopes can't be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not on Forgejo's list.
    #[error(
        "`{0}` is not a Forgejo scope. Forgejo drops what it does not know, and a list of which nothing is left grants \
         everything. Known: read: or write: followed by one of activitypub, admin, misc, notification, organization, \
         package, issue, repository, user; public-only; openid, profile, email, groups"
    )]
    Unknown(String),
    /// `all`, which can't be narrowed by what the operator thinks he configured.
    #[error(
        "`all` would give every token full access to Forgejo, site administration included: list the scopes that are needed"
    )]
    All,
    /// `sudo`, by which an administrator's token acts as anybody.
    #[error("`sudo` would let an administrator's token act as any user: leave it out")]
    Sudo,
    /// `read:admin` or `write:admin`, which no tool needs.
    #[error("`{0}` would put site administration within reach of every administrator's MCP clients: leave it out")]
    Admin(String),
    /// No API scope: Forgejo would grant everything.
    #[error("no API scope is listed (as in `{DEFAULT_SCOPES}`), and Forgejo takes that for full access")]
    NoApiScope,
}

// === impl Category ===

impl Category {
    const ALL: [Self; 9] = [
        Self::Activitypub,
        Self::Admin,
        Self::Misc,
        Self::Notification,
        Self::Organization,
        Self::Package,
        Self::Issue,
        Self::Repository,
        Self::User,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Activitypub => "activitypub",
            Self::Admin => "admin",
            Self::Misc => "misc",
            Self::Notification => "notification",
            Self::Organization => "organization",
            Self::Package => "package",
            Self::Issue => "issue",
            Self::Repository => "repository",
            Self::User => "user",
        }
    }
}

// === impl Scope ===

impl Scope {
    fn known(text: &str) -> Option<Self> {
        const OIDC: [&str; 4] = ["openid", "profile", "email", "groups"];
        if let Some(name) = OIDC.into_iter().find(|name| *name == text) {
            return Some(Self::Oidc(name));
        }
        if text == "public-only" {
            return Some(Self::PublicOnly);
        }
        let (access, category) = text.split_once(':')?;
        let access = match access {
            "read" => Access::Read,
            "write" => Access::Write,
            _ => return None,
        };
        let category = Category::ALL.into_iter().find(|known| known.name() == category)?;
        Some(Self::Api(access, category))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(Access::Read, category) => write!(f, "read:{}", category.name()),
            Self::Api(Access::Write, category) => write!(f, "write:{}", category.name()),
            Self::Oidc(name) => f.write_str(name),
            Self::PublicOnly => f.write_str("public-only"),
        }
    }
}

// === impl ForgejoScopes ===

impl ForgejoScopes {
    /// Reads a list separated by white space, and lets `read:admin` and `write:admin` pass: only for an operator who has said
    /// in so many words that he wants them.
    pub fn parse_allowing_admin(text: &str) -> Result<Self, ScopeError> {
        let mut scopes = Vec::new();
        for word in text.split_whitespace() {
            let scope = match word {
                "all" => return Err(ScopeError::All),
                "sudo" => return Err(ScopeError::Sudo),
                _ => Scope::known(word).ok_or_else(|| ScopeError::Unknown(word.to_owned()))?,
            };
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        if !scopes.iter().any(|scope| matches!(scope, Scope::Api(..))) {
            return Err(ScopeError::NoApiScope);
        }
        Ok(Self(scopes))
    }

    /// Whether `GET /api/v1/user` will be allowed.
    #[must_use]
    pub fn reads_user(&self) -> bool {
        self.0.iter().any(|scope| matches!(scope, Scope::Api(_, Category::User)))
    }
}

impl FromStr for ForgejoScopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let scopes = Self::parse_allowing_admin(text)?;
        match scopes.0.iter().find(|scope| matches!(scope, Scope::Api(_, Category::Admin))) {
            Some(admin) => Err(ScopeError::Admin(admin.to_string())),
            None => Ok(scopes),
        }
    }
}

impl Default for ForgejoScopes {
    /// [`DEFAULT_SCOPES`].
    fn default() -> Self {
        Self(
            [Category::Repository, Category::Issue, Category::Organization, Category::User, Category::Notification]
                .map(|category| Scope::Api(Access::Write, category))
                .to_vec(),
        )
    }
}

impl fmt::Display for ForgejoScopes {
    /// As the `scope` parameter has it, separated by single spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{scope}")?;
        }
        Ok(())
    }
}

// === impl GrantedScopes ===

impl GrantedScopes {
    /// Reads the `scope` of an introspection answer as Forgejo's API does: unknown words count for nothing, and a list
    /// without any API scope for everything.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut granted = Self { everything: false, public_only: false, access: BTreeMap::new() };
        for word in text.split([' ', ',']) {
            match Scope::known(word) {
                Some(Scope::Api(access, category)) => {
                    let held = granted.access.entry(category).or_insert(access);
                    *held = access.max(*held);
                }
                Some(Scope::PublicOnly) => granted.public_only = true,
                Some(Scope::Oidc(_)) => {}
                None => granted.everything |= word == "all",
            }
        }
        granted.everything |= granted.access.is_empty();
        granted
    }

    /// Whether the grant opens the whole API, asked for or not.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether everything asked for is held. `write` implies `read`; identity scopes (`openid` and its kin) are not compared, because nothing we do
    /// depends on them; a `public-only` that was not asked for is a lack.
    #[must_use]
    pub fn covers(&self, asked: &ForgejoScopes) -> bool {
        self.missing(asked).is_empty()
    }

    /// What was asked for and is not held, in words for the user.
    #[must_use]
    pub fn missing(&self, asked: &ForgejoScopes) -> Vec<String> {
        let mut missing: Vec<String> = asked
            .0
            .iter()
            .filter(|scope| match scope {
                Scope::Api(access, category) => {
                    !self.everything && self.access.get(category).is_none_or(|held| held < access)
                }
                Scope::Oidc(_) | Scope::PublicOnly => false,
            })
            .map(ToString::to_string)
            .collect();
        if self.public_only && !asked.0.contains(&Scope::PublicOnly) {
            missing.push("access to what is private (the grant is public-only)".to_owned());
        }
        missing
    }
}
