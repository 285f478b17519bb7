//! The JSON of Forgejo's objects.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::{
        Attachment, State,
        account::{Org, Team, User},
        issue::{Comment, Issue, Label, Milestone},
        release::Release,
        repo::{Access, MergedBranch, Repo},
    },
    site::Site,
};

/// Renders for one caller.
#[derive(Clone, Copy)]
pub(crate) struct Render<'a> {
    pub(crate) site: &'a Site,
    pub(crate) state: &'a State,
    pub(crate) doer: Option<i64>,
}

// === impl Render ===

impl Render<'_> {
    pub(crate) fn user(&self, user: &User) -> Value {
        let is_self = self.doer == Some(user.id);
        let sees_all = is_self || self.doer.and_then(|id| self.state.users.get(&id)).is_some_and(|doer| doer.admin);
        let hidden = format!("{}@noreply.localhost", user.login.to_ascii_lowercase());
        json!({
            "id": user.id,
            "login": user.login,
            "login_name": "",
            "source_id": 0,
            "full_name": user.full_name,
            "email": if sees_all { &user.email } else { &hidden },
            "avatar_url": crate::oauth::userinfo::picture(self.site, user),
            "html_url": self.site.url(&user.login),
            "language": if is_self { "en-US" } else { "" },
            "is_admin": sees_all && user.admin,
            "last_login": rfc3339(user.created),
            "created": rfc3339(user.created),
            "restricted": false,
            "active": sees_all && user.is_active(),
            "prohibit_login": sees_all && user.is_prohibited(),
            "location": "",
            "pronouns": "",
            "website": "",
            "description": "",
            "visibility": "public",
            "followers_count": 0,
            "following_count": 0,
            "starred_repos_count": user.starred.len(),
            "username": user.login,
        })
    }

    /// A user by id; one who was deleted is `Ghost`.
    pub(crate) fn user_by_id(&self, id: i64) -> Value {
        match self.state.users.get(&id) {
            Some(user) => self.user(user),
            None => {
                json!({"id": -1, "login": "Ghost", "username": "Ghost", "full_name": "", "email": "", "created": rfc3339(0),
                "last_login": rfc3339(0), "avatar_url": "", "html_url": "", "active": false, "visibility": ""})
            }
        }
    }

    /// The owner of a repository; an organisation is shown as a user.
    pub(crate) fn owner(&self, id: i64) -> Value {
        let Some(org) = self.state.orgs.get(&id) else {
            return self.user_by_id(id);
        };
        json!({
            "id": org.id, "login": org.name, "login_name": "", "source_id": 0, "full_name": org.full_name, "email": "",
            "avatar_url": self.site.url(&format!("avatars/{:032x}", org.id)), "html_url": self.site.url(&org.name),
            "language": "", "is_admin": false, "last_login": rfc3339(0), "created": rfc3339(org.created), "restricted": false,
            "active": false, "prohibit_login": false, "location": org.location, "website": org.website,
            "description": org.description, "visibility": org.visibility, "followers_count": 0, "following_count": 0,
            "starred_repos_count": 0, "username": org.name,
        })
    }

    pub(crate) fn org(&self, org: &Org) -> Value {
        json!({
            "id": org.id, "name": org.name, "full_name": org.full_name, "email": "",
            "avatar_url": self.site.url(&format!("avatars/{:032x}", org.id)), "description": org.description,
            "website": org.website, "location": org.location, "visibility": org.visibility,
            "repo_admin_change_team_access": false, "username": org.name,
        })
    }

    pub(crate) fn team(&self, org: &Org, team: &Team) -> Value {
        let units = ["repo.code", "repo.issues", "repo.pulls", "repo.releases", "repo.wiki"];
        json!({
            "id": team.id, "name": team.name, "description": team.description, "organization": self.org(org),
            "includes_all_repositories": team.all_repos,
            "permission": if team.name == "Owners" { "owner" } else { team.access.as_str() },
            "units": units,
            "units_map": units.iter().map(|unit| ((*unit).to_owned(), json!(team.access.as_str()))).collect::<serde_json::Map<_, _>>(),
            "can_create_org_repo": team.access == Access::Admin,
        })
    }

    pub(crate) fn repo(&self, repo: &Repo) -> Value {
        let full_name = self.state.full_name(repo);
        let access = self.state.access(self.doer, repo);
        let (issues, pulls) = repo.open_counts();
        let parent = repo.fork_of.and_then(|id| self.state.repos.get(&id));
        let visible = parent.filter(|parent| self.state.access(self.doer, parent) >= Access::Read);
        let host =
            url::Url::parse(&self.site.root).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        json!({
            "id": repo.id, "owner": self.owner(repo.owner), "name": repo.name, "full_name": full_name,
            "description": repo.description, "empty": repo.git.commits.is_empty(), "private": repo.private,
            "fork": repo.fork_of.is_some(), "template": repo.template, "parent": visible.map(|parent| self.repo(parent)),
            "mirror": false, "size": repo.git.commits.len(), "language": "", "languages_url": self.api(&full_name, "languages"),
            "html_url": self.site.url(&full_name), "url": self.api(&full_name, ""), "link": "",
            "ssh_url": format!("git@{host}:{full_name}.git"), "clone_url": self.site.url(&format!("{full_name}.git")),
            "original_url": "", "website": repo.website,
            "stars_count": self.state.users.values().filter(|user| user.starred.contains(&repo.id)).count(),
            "forks_count": self.state.repos.values().filter(|other| other.fork_of == Some(repo.id)).count(),
            "watchers_count": 1, "open_issues_count": issues, "open_pr_counter": pulls,
            "release_counter": repo.releases.iter().filter(|release| !release.draft).count(),
            "default_branch": repo.default_branch, "archived": repo.archived, "created_at": rfc3339(repo.created),
            "updated_at": rfc3339(repo.updated), "archived_at": rfc3339(0),
            "permissions": {
                "admin": access >= Access::Admin, "push": access >= Access::Write, "pull": access >= Access::Read,
            },
            "has_issues": true,
            "internal_tracker": {
                "enable_time_tracker": true, "allow_only_contributors_to_track_time": true, "enable_issue_dependencies": true,
            },
            "has_wiki": true, "has_pull_requests": true, "has_projects": true, "has_releases": true, "has_packages": true,
            "has_actions": true, "ignore_whitespace_conflicts": false, "allow_merge_commits": true, "allow_rebase": true,
            "allow_rebase_explicit": true, "allow_squash_merge": true, "allow_fast_forward_only_merge": true,
            "allow_rebase_update": true, "default_delete_branch_after_merge": repo.merged_branch == MergedBranch::Goes, "default_merge_style": "merge",
            "default_allow_maintainer_edit": false, "avatar_url": "", "internal": false, "mirror_interval": "",
            "object_format_name": "sha1", "mirror_updated": "0001-01-01T00:00:00Z", "repo_transfer": null,
            "topics": repo.topics.iter().collect::<Vec<_>>(),
        })
    }

    /// URL of the API for a repository.
    pub(crate) fn api(&self, full_name: &str, rest: &str) -> String {
        let slash = if rest.is_empty() { "" } else { "/" };
        self.site.url(&format!("api/v1/repos/{full_name}{slash}{rest}"))
    }

    pub(crate) fn issue(&self, repo: &Repo, issue: &Issue) -> Value {
        let full_name = self.state.full_name(repo);
        let kind = if issue.pull.is_some() { "pulls" } else { "issues" };
        let assignees: Vec<Value> = issue.assignees.iter().map(|id| self.user_by_id(*id)).collect();
        let merged = issue.pull.as_ref().and_then(|pull| pull.merged.as_ref());
        json!({
            "id": issue.id, "url": self.api(&full_name, &format!("issues/{}", issue.number)),
            "html_url": self.site.url(&format!("{full_name}/{kind}/{}", issue.number)), "number": issue.number,
            "user": self.user_by_id(issue.poster), "original_author": "", "original_author_id": 0,
            "title": issue.title, "body": issue.body, "ref": issue.git_ref,
            "assets": self.assets(repo, crate::model::Place::Issue(issue.id)),
            "labels": self.labels_of(repo, issue), "milestone": self.milestone_of(repo, issue),
            "assignee": assignees.first(), "assignees": if assignees.is_empty() { Value::Null } else { json!(assignees) },
            "state": issue.state(), "is_locked": issue.locked, "comments": issue.comments.len(),
            "created_at": rfc3339(issue.created), "updated_at": rfc3339(issue.updated),
            "closed_at": issue.closed_at.map(rfc3339), "due_date": issue.due.map(rfc3339),
            "pull_request": issue.pull.as_ref().map(|_| json!({
                "merged": merged.is_some(), "merged_at": merged.map(|merged| rfc3339(merged.at)), "draft": false,
                "html_url": self.site.url(&format!("{full_name}/pulls/{}", issue.number)),
            })),
            "repository": {"id": repo.id, "name": repo.name, "owner": self.state.owner_name(repo.owner), "full_name": full_name},
            "pin_order": 0,
        })
    }

    pub(crate) fn labels_of(&self, repo: &Repo, issue: &Issue) -> Vec<Value> {
        let of_org = self.state.orgs.get(&repo.owner).map_or(&[][..], |org| &org.labels);
        let all = repo.labels.iter().chain(of_org);
        all.filter(|label| issue.labels.contains(&label.id)).map(|label| self.label(repo, label)).collect()
    }

    pub(crate) fn milestone_of(&self, repo: &Repo, issue: &Issue) -> Value {
        let found = repo.milestones.iter().find(|milestone| Some(milestone.id) == issue.milestone);
        found.map_or(Value::Null, |milestone| self.milestone(repo, milestone))
    }

    pub(crate) fn label(&self, repo: &Repo, label: &Label) -> Value {
        let url = self.api(&self.state.full_name(repo), &format!("labels/{}", label.id));
        label_at(label, &url)
    }

    #[expect(clippy::unused_self, reason = "one way to render every object")]
    pub(crate) fn milestone(&self, repo: &Repo, milestone: &Milestone) -> Value {
        let of_it = repo.issues.values().filter(|issue| issue.milestone == Some(milestone.id));
        let closed = of_it.clone().filter(|issue| issue.closed_at.is_some()).count();
        json!({
            "id": milestone.id, "title": milestone.title, "description": milestone.description,
            "state": if milestone.closed_at.is_some() { "closed" } else { "open" },
            "open_issues": of_it.count() - closed, "closed_issues": closed,
            "created_at": rfc3339(milestone.created), "updated_at": rfc3339(milestone.updated),
            "closed_at": milestone.closed_at.map(rfc3339), "due_on": milestone.due.map(rfc3339),
        })
    }

    pub(crate) fn comment(&self, repo: &Repo, issue: &Issue, comment: &Comment) -> Value {
        let full_name = self.state.full_name(repo);
        let kind = if issue.pull.is_some() { "pulls" } else { "issues" };
        let page = self.site.url(&format!("{full_name}/{kind}/{}", issue.number));
        json!({
            "id": comment.id, "html_url": format!("{page}#issuecomment-{}", comment.id),
            "pull_request_url": if issue.pull.is_some() { &page } else { "" },
            "issue_url": if issue.pull.is_some() { "" } else { &page },
            "user": self.user_by_id(comment.poster), "original_author": "", "original_author_id": 0, "body": comment.body,
            "assets": self.assets(repo, crate::model::Place::Comment(comment.id)),
            "created_at": rfc3339(comment.created), "updated_at": rfc3339(comment.updated),
        })
    }

    pub(crate) fn release(&self, repo: &Repo, release: &Release) -> Value {
        let full_name = self.state.full_name(repo);
        let url = self.api(&full_name, &format!("releases/{}", release.id));
        json!({
            "id": release.id, "tag_name": release.tag, "target_commitish": release.target, "name": release.title,
            "body": release.note, "url": url, "html_url": self.site.url(&format!("{full_name}/releases/tag/{}", release.tag)),
            "tarball_url": self.site.url(&format!("{full_name}/archive/{}.tar.gz", release.tag)),
            "zipball_url": self.site.url(&format!("{full_name}/archive/{}.zip", release.tag)),
            "upload_url": format!("{url}/assets"), "hide_archive_links": false,
            "draft": release.draft, "prerelease": release.prerelease, "created_at": rfc3339(release.created),
            "published_at": rfc3339(release.created), "author": self.user_by_id(release.author),
            "assets": self.assets(repo, crate::model::Place::Release(release.id)),
            "archive_download_count": {"zip": 0, "tar_gz": 0},
        })
    }

    /// The attachments of a place in a repository.
    pub(crate) fn assets(&self, repo: &Repo, place: crate::model::Place) -> Vec<Value> {
        let mut found: Vec<&Attachment> =
            self.state.attachments.values().filter(|asset| asset.repo == repo.id && asset.place == place).collect();
        found.sort_by_key(|asset| asset.id);
        found.into_iter().map(|asset| self.asset(asset)).collect()
    }

    /// An attachment. Whoever made a release asset with `external_url` decides where `browser_download_url` points.
    pub(crate) fn asset(&self, asset: &Attachment) -> Value {
        let url = match &asset.external_url {
            Some(url) => url.clone(),
            None => self.site.url(&format!("attachments/{}", asset.uuid)),
        };
        json!({
            "id": asset.id, "name": asset.name, "size": asset.content.len(), "download_count": 0,
            "created_at": rfc3339(asset.created), "uuid": asset.uuid, "browser_download_url": url,
            "type": if asset.external_url.is_some() { "external" } else { "attachment" },
        })
    }
}

/// A label whose place is known.
pub(crate) fn label_at(label: &Label, url: &str) -> Value {
    json!({
        "id": label.id, "name": label.name, "exclusive": false, "is_archived": false, "color": label.color,
        "description": label.description, "url": url,
    })
}
