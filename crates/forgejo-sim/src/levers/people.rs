//! Users, organisations, teams.

use std::collections::BTreeSet;

use crate::{
    model::{
        UserState,
        account::{Org, Team, User},
        repo::Access,
    },
    secret::SecretKind,
    sim::RunningSim,
};

/// A user to be made.
#[derive(Clone)]
pub struct NewUser {
    login: String,
    password: String,
    id: Option<i64>,
    email: Option<String>,
    full_name: String,
    admin: bool,
}

/// A user's account, for telling a person how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's id, the `sub` of his tokens.
    pub id: i64,
    /// His login.
    pub login: String,
    /// His password.
    pub password: String,
    /// Whether he is a site administrator.
    pub admin: bool,
}

// === impl Account ===

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("login", &self.login).finish_non_exhaustive()
    }
}

// === impl NewUser ===

impl NewUser {
    /// A user with the next free id and the address `LOGIN@example.org`.
    #[must_use]
    pub fn new(login: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            login: login.into(),
            password: password.into(),
            id: None,
            email: None,
            full_name: String::new(),
            admin: false,
        }
    }

    /// With this id, the `sub` of his tokens; a user or organisation that has it is replaced.
    #[must_use]
    pub fn id(mut self, id: i64) -> Self {
        self.id = Some(id);
        self
    }

    /// With this email address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// With this full name.
    #[must_use]
    pub fn full_name(mut self, name: impl Into<String>) -> Self {
        self.full_name = name.into();
        self
    }

    /// As a site administrator.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.admin = true;
        self
    }
}

// === impl RunningSim ===

#[expect(clippy::must_use_candidate, reason = "a lever is pulled for its effect")]
impl RunningSim {
    /// All users with their passwords.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let state = self.site.state.lock();
        let account = |user: &User| Account {
            id: user.id,
            login: user.login.clone(),
            password: user.password.clone(),
            admin: user.admin,
        };
        state.users.values().map(account).collect()
    }

    /// Makes a user and answers his id.
    pub fn create_user(&self, user: NewUser) -> i64 {
        let mut state = self.site.state.lock();
        let id = user.id.unwrap_or_else(|| state.next_id("owner"));
        state.reserve_id("owner", id);
        let email = user.email.unwrap_or_else(|| format!("{}@example.org", user.login));
        let row = User {
            id,
            login: user.login,
            password: self.site.issue(SecretKind::Password, user.password),
            full_name: user.full_name,
            email,
            admin: user.admin,
            created: self.site.now(),
            state: UserState::Active,
            keys: Vec::new(),
            hooks: Vec::new(),
            starred: BTreeSet::new(),
            runner_token: None,
        };
        state.users.insert(id, row);
        id
    }

    fn change_user(&self, login: &str, change: impl FnOnce(&mut User)) -> bool {
        self.site.state.lock().user_mut(login).map(change).is_some()
    }

    /// Activates, deactivates, prohibits a user, or asks a new password or second factor of him.
    pub fn set_user_state(&self, login: &str, state: UserState) -> bool {
        self.change_user(login, |user| user.state = state)
    }

    /// Gives a user another login; his id stays.
    pub fn rename_user(&self, login: &str, new_login: &str) -> bool {
        self.change_user(login, |user| new_login.clone_into(&mut user.login))
    }

    /// Makes a user a site administrator, or takes that from him.
    pub fn set_admin(&self, login: &str, admin: bool) -> bool {
        self.change_user(login, |user| user.admin = admin)
    }

    /// Deletes a user with his applications, grants, sessions and repositories.
    pub fn delete_user(&self, login: &str) -> bool {
        let mut state = self.site.state.lock();
        let id = state.user(login).map(|user| user.id);
        id.map(|id| state.delete_user(id)).is_some()
    }

    /// Makes a public organisation with one user in its team `Owners`, and answers its id.
    pub fn create_org(&self, name: &str, owner_login: &str) -> Option<i64> {
        let mut state = self.site.state.lock();
        let owner = state.user(owner_login)?.id;
        let (id, team) = (state.next_id("owner"), state.next_id("team"));
        let now = self.site.now();
        state.orgs.insert(id, Org::new(id, name, team, owner, now));
        Some(id)
    }

    /// Puts a user into a team, which is made with write access to all repositories if it is not there; answers the team's id.
    pub fn add_team_member(&self, org: &str, team: &str, login: &str) -> Option<i64> {
        let mut state = self.site.state.lock();
        let user = state.user(login)?.id;
        let new_id = state.next_id("team");
        let org = state.org_mut(org)?;
        if let Some(team) = org.teams.iter_mut().find(|known| known.name.eq_ignore_ascii_case(team)) {
            team.members.insert(user);
            return Some(team.id);
        }
        org.teams.push(Team {
            id: new_id,
            name: team.to_owned(),
            description: String::new(),
            access: Access::Write,
            members: BTreeSet::from([user]),
            repos: BTreeSet::new(),
            all_repos: true,
        });
        Some(new_id)
    }

    /// Takes a user out of a team. A member of no team is no member of the organisation any more.
    pub fn remove_team_member(&self, org: &str, team: &str, login: &str) -> bool {
        let mut state = self.site.state.lock();
        let Some(user) = state.user(login).map(|user| user.id) else { return false };
        let team =
            state.org_mut(org).and_then(|org| org.teams.iter_mut().find(|known| known.name.eq_ignore_ascii_case(team)));
        team.is_some_and(|team| team.members.remove(&user))
    }
}
