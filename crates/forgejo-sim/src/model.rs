//! Everything the stand-in remembers, in memory.

pub(crate) mod account;
pub(crate) mod credential;
pub(crate) mod diff;
pub(crate) mod git;
pub(crate) mod issue;
pub(crate) mod reference;
pub(crate) mod release;
pub(crate) mod repo;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use account::UserState;
use account::{Org, Team, User};
use credential::Credentials;
use repo::{Access, Repo};

/// The whole content of a stand-in.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) users: BTreeMap<i64, User>,
    pub(crate) orgs: BTreeMap<i64, Org>,
    pub(crate) repos: BTreeMap<i64, Repo>,
    pub(crate) credentials: Credentials,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) attachments: BTreeMap<String, Attachment>,
    /// Repositories by owner and name (in lower case) of earlier days.
    redirects: BTreeMap<(i64, String), i64>,
    last_id: BTreeMap<&'static str, i64>,
}

/// A file attached to an issue, a comment or a release; served by its uuid to whoever may read its repository.
#[derive(Clone)]
pub(crate) struct Attachment {
    pub(crate) id: i64,
    pub(crate) uuid: String,
    pub(crate) repo: i64,
    pub(crate) name: String,
    pub(crate) content: Bytes,
    pub(crate) created: i64,
    /// A URL chosen by whoever made a release asset: returned as `browser_download_url`.
    pub(crate) external_url: Option<String>,
    pub(crate) place: Place,
}

/// What an attachment belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Issue(i64),
    Comment(i64),
    Release(i64),
}

/// A user's notification about an issue or a pull request.
#[derive(Clone)]
pub(crate) struct Notification {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) repo: i64,
    pub(crate) issue: i64,
    pub(crate) unread: bool,
    pub(crate) pinned: bool,
    pub(crate) updated: i64,
}

// === impl State ===

impl State {
    /// The next number of a sequence.
    pub(crate) fn next_id(&mut self, sequence: &'static str) -> i64 {
        let last = self.last_id.entry(sequence).or_default();
        *last += 1;
        *last
    }

    /// Reserves an id that a test has chosen.
    pub(crate) fn reserve_id(&mut self, sequence: &'static str, id: i64) {
        let last = self.last_id.entry(sequence).or_default();
        *last = (*last).max(id);
    }

    pub(crate) fn user(&self, login: &str) -> Option<&User> {
        self.users.values().find(|user| user.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn user_mut(&mut self, login: &str) -> Option<&mut User> {
        self.users.values_mut().find(|user| user.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn org(&self, name: &str) -> Option<&Org> {
        self.orgs.values().find(|org| org.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn org_mut(&mut self, name: &str) -> Option<&mut Org> {
        self.orgs.values_mut().find(|org| org.name.eq_ignore_ascii_case(name))
    }

    /// Id of a user or an organisation: both live in one space of names and ids.
    pub(crate) fn owner_id(&self, name: &str) -> Option<i64> {
        self.user(name).map(|user| user.id).or_else(|| self.org(name).map(|org| org.id))
    }

    pub(crate) fn owner_name(&self, id: i64) -> &str {
        let user = self.users.get(&id).map(|user| user.login.as_str());
        user.or_else(|| self.orgs.get(&id).map(|org| org.name.as_str())).unwrap_or("ghost")
    }

    pub(crate) fn login(&self, user: i64) -> &str {
        self.users.get(&user).map_or("ghost", |user| user.login.as_str())
    }

    pub(crate) fn repo(&self, owner: &str, name: &str) -> Option<&Repo> {
        let owner = self.owner_id(owner)?;
        self.repos.values().find(|repo| repo.owner == owner && repo.name.eq_ignore_ascii_case(name))
    }

    /// Gives a repository another name. The old one leads to it until another repository takes it.
    pub(crate) fn rename_repo(&mut self, id: i64, name: &str) -> Option<()> {
        let repo = self.repos.get_mut(&id)?;
        let old = std::mem::replace(&mut repo.name, name.to_owned());
        self.redirects.insert((repo.owner, old.to_lowercase()), id);
        Some(())
    }

    /// The repository that was called so, when none is now.
    pub(crate) fn renamed(&self, owner: &str, name: &str) -> Option<&Repo> {
        if self.repo(owner, name).is_some() {
            return None;
        }
        let id = self.redirects.get(&(self.owner_id(owner)?, name.to_lowercase()))?;
        self.repos.get(id)
    }

    pub(crate) fn full_name(&self, repo: &Repo) -> String {
        format!("{}/{}", self.owner_name(repo.owner), repo.name)
    }

    /// What a user (or nobody) may do in a repository.
    pub(crate) fn access(&self, doer: Option<i64>, repo: &Repo) -> Access {
        let anyone = if repo.private { Access::None } else { Access::Read };
        let Some(user) = doer.and_then(|id| self.users.get(&id)) else {
            return anyone;
        };
        if user.admin || repo.owner == user.id {
            return Access::Admin;
        }
        let as_collaborator = repo.collaborators.get(&user.id).copied().unwrap_or(Access::None);
        let in_teams = self.orgs.get(&repo.owner).map_or(Access::None, |org| {
            let teams = org.teams.iter().filter(|team| team.members.contains(&user.id));
            teams.filter(|team| team.reaches(repo.id)).map(|team| team.access).max().unwrap_or(Access::None)
        });
        anyone.max(as_collaborator).max(in_teams)
    }

    pub(crate) fn team(&self, id: i64) -> Option<(&Org, &Team)> {
        self.orgs.values().find_map(|org| org.teams.iter().find(|team| team.id == id).map(|team| (org, team)))
    }

    pub(crate) fn team_mut(&mut self, id: i64) -> Option<&mut Team> {
        self.orgs.values_mut().find_map(|org| org.teams.iter_mut().find(|team| team.id == id))
    }

    /// Tells everybody who has to do with an issue, except the one who acts.
    pub(crate) fn notify(&mut self, repo_id: i64, number: i64, actor: i64, now: i64) {
        let Some(repo) = self.repos.get(&repo_id) else {
            return;
        };
        let mut readers: Vec<i64> = vec![repo.owner];
        if let Some(issue) = repo.issues.get(&number) {
            readers.push(issue.poster);
            readers.extend(&issue.assignees);
            readers.extend(issue.comments.iter().map(|comment| comment.poster));
        }
        readers.sort_unstable();
        readers.dedup();
        for user in readers {
            if user == actor || !self.users.contains_key(&user) {
                continue;
            }
            self.notifications.retain(|n| !(n.user == user && n.repo == repo_id && n.issue == number));
            let id = self.next_id("notification");
            self.notifications.push(Notification {
                id,
                user,
                repo: repo_id,
                issue: number,
                unread: true,
                pinned: false,
                updated: now,
            });
        }
    }

    /// Removes a user with his applications, grants, sessions and repositories.
    pub(crate) fn delete_user(&mut self, id: i64) {
        self.users.remove(&id);
        self.repos.retain(|_, repo| repo.owner != id);
        self.notifications.retain(|notification| notification.user != id);
        for org in self.orgs.values_mut() {
            for team in &mut org.teams {
                team.members.remove(&id);
            }
        }
        self.credentials.forget_user(id);
    }
}
