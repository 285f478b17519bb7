//! API scopes: how a grant's scope text becomes rights.
//!
//! Unknown scopes are dropped, and when nothing is left the token may do everything. That is Forgejo's behaviour, trap included.

use crate::config::Profile;

/// A part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
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

/// What a token may do at the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiScope {
    All,
    Some { read: Vec<Category>, write: Vec<Category>, public_only: bool },
}

const OPENID: [&str; 4] = ["openid", "profile", "email", "groups"];

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

    pub(crate) const fn name(self) -> &'static str {
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

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }
}

// === impl ApiScope ===

impl ApiScope {
    /// The rights of an OAuth2 grant with this scope.
    pub(crate) fn of_grant(scope: &str, profile: Profile) -> Self {
        let asked: Vec<&str> = scope.split(' ').filter(|part| !part.is_empty() && !OPENID.contains(part)).collect();
        let one_voids_all = profile == Profile::Gitea && asked.iter().any(|part| !is_known(part));
        if one_voids_all { Self::All } else { Self::known(&asked).unwrap_or(Self::All) }
    }

    /// The rights of a personal access token, which must name at least one.
    pub(crate) fn of_personal_token(scope: &str) -> Self {
        let asked: Vec<&str> = scope.split(',').collect();
        Self::known(&asked).unwrap_or(Self::Some { read: Vec::new(), write: Vec::new(), public_only: false })
    }

    /// `None` when no name is known.
    fn known(asked: &[&str]) -> Option<Self> {
        let (mut read, mut write, mut public_only) = (Vec::new(), Vec::new(), false);
        for part in asked {
            match part.split_once(':') {
                Some(("read", name)) => read.extend(Category::parse(name)),
                Some(("write", name)) => write.extend(Category::parse(name)),
                _ if *part == "all" => return Some(Self::All),
                _ => public_only |= *part == "public-only",
            }
        }
        (public_only || !read.is_empty() || !write.is_empty()).then_some(Self::Some { read, write, public_only })
    }

    /// Whether the token may read or write all of these parts.
    pub(crate) fn allows(&self, writes: bool, wanted: &[Category]) -> bool {
        match self {
            Self::All => true,
            Self::Some { read, write, .. } => {
                wanted.iter().all(|category| write.contains(category) || (!writes && read.contains(category)))
            }
        }
    }

    pub(crate) const fn is_public_only(&self) -> bool {
        matches!(self, Self::Some { public_only: true, .. })
    }
}

fn is_known(part: &str) -> bool {
    match part.split_once(':') {
        Some(("read" | "write", name)) => Category::parse(name).is_some(),
        _ => part == "all" || part == "public-only",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_scopes_open_everything_as_section_4_3_says() {
        let forgejo = |scope| ApiScope::of_grant(scope, Profile::V15);
        assert_eq!(forgejo(""), ApiScope::All);
        assert_eq!(forgejo("openid profile"), ApiScope::All);
        assert_eq!(forgejo("read:repositry"), ApiScope::All);
        let some = forgejo("openid write:issue read:repositry");
        assert!(some.allows(false, &[Category::Issue]) && some.allows(true, &[Category::Issue]));
        assert!(!some.allows(false, &[Category::Repository]));
        assert_eq!(ApiScope::of_grant("write:issue read:repositry", Profile::Gitea), ApiScope::All);
    }

    #[test]
    fn reading_is_not_writing() {
        let scope = ApiScope::of_grant("read:user read:repository public-only", Profile::V11);
        assert!(scope.allows(false, &[Category::User, Category::Repository]));
        assert!(!scope.allows(true, &[Category::User]));
        assert!(!scope.allows(false, &[Category::User, Category::Issue]));
        assert!(scope.is_public_only());
    }
}
