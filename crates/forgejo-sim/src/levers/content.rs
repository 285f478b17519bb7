//! Repositories and what is in them.

use bytes::Bytes;

use crate::{
    model::{
        Attachment, Place, State,
        git::{Signature, Tree},
        issue::{Comment, Issue, Label, Pull},
        release::Release,
        repo::{Access, Repo},
    },
    secret,
    sim::RunningSim,
};

// === impl RunningSim ===

#[expect(clippy::must_use_candidate, reason = "a lever is pulled for its effect")]
impl RunningSim {
    /// Makes a repository of a user or organisation with a README on `main`, and answers its id.
    pub fn create_repo(&self, owner: &str, name: &str, private: bool) -> Option<i64> {
        let id = {
            let mut state = self.site.state.lock();
            let owner = state.owner_id(owner)?;
            let mut repo = Repo::new(state.next_id("repository"), owner, name, self.site.now());
            repo.private = private;
            let id = repo.id;
            state.repos.insert(id, repo);
            id
        };
        self.write_file(owner, name, "main", "README.md", &format!("# {name}\n"))?;
        Some(id)
    }

    fn change_repo<T>(&self, owner: &str, name: &str, change: impl FnOnce(&mut State, i64) -> Option<T>) -> Option<T> {
        let mut state = self.site.state.lock();
        let id = state.repo(owner, name)?.id;
        change(&mut state, id)
    }

    /// Sets a repository's description and topics.
    pub fn describe_repo(&self, owner: &str, name: &str, description: &str, topics: &[&str]) -> bool {
        let change = |state: &mut State, id: i64| {
            let repo = state.repos.get_mut(&id)?;
            description.clone_into(&mut repo.description);
            repo.topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
            Some(())
        };
        self.change_repo(owner, name, change).is_some()
    }

    /// Gives a repository another name; its id stays, and the old name leads to it until another repository takes it.
    pub fn rename_repo(&self, owner: &str, name: &str, new_name: &str) -> bool {
        self.change_repo(owner, name, |state, id| state.rename_repo(id, new_name)).is_some()
    }

    /// Deletes a repository.
    pub fn delete_repo(&self, owner: &str, name: &str) -> bool {
        self.change_repo(owner, name, |state, id| state.repos.remove(&id)).is_some()
    }

    /// Makes a user a collaborator with `read`, `write` or `admin`.
    pub fn add_collaborator(&self, owner: &str, name: &str, login: &str, permission: &str) -> bool {
        let change = |state: &mut State, id: i64| {
            let user = state.user(login)?.id;
            state.repos.get_mut(&id)?.collaborators.insert(user, Access::parse(permission)?);
            Some(())
        };
        self.change_repo(owner, name, change).is_some()
    }

    /// Commits one file to a branch, which is made from the default branch if it is not there; answers the commit's id.
    pub fn write_file(&self, owner: &str, name: &str, branch: &str, path: &str, content: &str) -> Option<String> {
        let now = self.site.now();
        self.change_repo(owner, name, |state, id| {
            let author = state.owner_name(state.repos.get(&id)?.owner).to_owned();
            let email = state.user(&author).map_or_else(|| format!("{author}@example.org"), |user| user.email.clone());
            let repo = state.repos.get_mut(&id)?;
            let git = &mut repo.git;
            let head = git.branches.get(branch).or_else(|| git.branches.get(&repo.default_branch)).cloned();
            let mut tree: Tree = head.as_ref().map(|sha| git.commits[sha].tree.as_ref().clone()).unwrap_or_default();
            tree.insert(path.to_owned(), Bytes::copy_from_slice(content.as_bytes()));
            let message = format!("Write {path}\n");
            let by = Signature { name: &author, email: &email, time: now, message: &message };
            Some(git.commit(branch, tree, head.into_iter().collect(), &by))
        })
    }

    /// Opens an issue and answers its number.
    pub fn create_issue(&self, owner: &str, name: &str, poster: &str, title: &str, body: &str) -> Option<i64> {
        let now = self.site.now();
        self.change_repo(owner, name, |state, id| {
            let (poster, issue) = (state.user(poster)?.id, state.next_id("issue"));
            let repo = state.repos.get_mut(&id)?;
            let number = repo.next_number();
            repo.issues.insert(number, Issue::new(issue, number, poster, title, body, now));
            state.notify(id, number, poster, now);
            Some(number)
        })
    }

    /// Comments on an issue or pull request and answers the comment's id.
    pub fn comment(&self, owner: &str, name: &str, number: i64, poster: &str, body: &str) -> Option<i64> {
        let now = self.site.now();
        self.change_repo(owner, name, |state, id| {
            let (poster, comment) = (state.user(poster)?.id, state.next_id("comment"));
            let issue = state.repos.get_mut(&id)?.issues.get_mut(&number)?;
            issue.comments.push(Comment { id: comment, poster, body: body.to_owned(), created: now, updated: now });
            state.notify(id, number, poster, now);
            Some(comment)
        })
    }

    /// Opens a pull request between two branches of a repository and answers its number.
    pub fn create_pull(
        &self,
        owner: &str,
        name: &str,
        poster: &str,
        title: &str,
        (head, base): (&str, &str),
    ) -> Option<i64> {
        let number = self.create_issue(owner, name, poster, title, "")?;
        self.change_repo(owner, name, |state, id| {
            let repo = state.repos.get_mut(&id)?;
            repo.issues.get_mut(&number)?.pull = Some(Pull::new(head, base, id));
            Some(number)
        })
    }

    /// Forks a repository to a user or organisation; answers the fork's id.
    pub fn fork_repo(&self, owner: &str, name: &str, to: &str) -> Option<i64> {
        let now = self.site.now();
        self.change_repo(owner, name, |state, source| {
            let (to, id) = (state.owner_id(to)?, state.next_id("repository"));
            let from = state.repos.get(&source)?;
            let mut fork = Repo::new(id, to, &from.name, now);
            (fork.git, fork.private, fork.fork_of) = (from.git.clone(), from.private, Some(source));
            state.repos.insert(id, fork);
            Some(id)
        })
    }

    /// Opens a pull request from a branch of the repository with this id (a fork) and answers its number.
    pub fn create_pull_from(
        &self,
        owner: &str,
        name: &str,
        poster: &str,
        title: &str,
        (fork, head, base): (i64, &str, &str),
    ) -> Option<i64> {
        let number = self.create_issue(owner, name, poster, title, "")?;
        self.change_repo(owner, name, |state, id| {
            state.repos.get_mut(&id)?.issues.get_mut(&number)?.pull = Some(Pull::new(head, base, fork));
            Some(number)
        })
    }

    /// Makes a label and puts it on the given issues; answers its id.
    pub fn create_label(&self, owner: &str, name: &str, label: &str, color: &str, issues: &[i64]) -> Option<i64> {
        self.change_repo(owner, name, |state, id| {
            let label_id = state.next_id("label");
            let repo = state.repos.get_mut(&id)?;
            let (name, color) = (label.to_owned(), color.to_owned());
            repo.labels.push(Label { id: label_id, name, color, description: String::new() });
            for number in issues {
                repo.issues.get_mut(number)?.labels.insert(label_id);
            }
            Some(label_id)
        })
    }

    /// Closes an issue or pull request.
    pub fn close_issue(&self, owner: &str, name: &str, number: i64) -> bool {
        let now = self.site.now();
        let close = |state: &mut State, id: i64| {
            state.repos.get_mut(&id)?.issues.get_mut(&number)?.closed_at = Some(now);
            Some(())
        };
        self.change_repo(owner, name, close).is_some()
    }

    /// Publishes a release, with its tag on the default branch; answers its id.
    pub fn create_release(&self, owner: &str, name: &str, author: &str, tag: &str, title: &str) -> Option<i64> {
        let now = self.site.now();
        self.change_repo(owner, name, |state, id| {
            let (author, release) = (state.user(author)?.id, state.next_id("release"));
            let repo = state.repos.get_mut(&id)?;
            let target = repo.default_branch.clone();
            if let Some(sha) = repo.git.branches.get(&target).cloned() {
                repo.git.tags.insert(tag.to_owned(), sha);
            }
            repo.releases.push(Release {
                id: release,
                tag: tag.to_owned(),
                target,
                title: title.to_owned(),
                note: String::new(),
                draft: false,
                prerelease: false,
                author,
                created: now,
            });
            Some(release)
        })
    }

    fn attach(
        &self,
        owner: &str,
        name: &str,
        file: &str,
        content: Bytes,
        url: Option<&str>,
        place: impl FnOnce(&Repo) -> Option<Place>,
    ) -> Option<String> {
        let created = self.site.now();
        self.change_repo(owner, name, |state, repo| {
            let place = place(state.repos.get(&repo)?)?;
            let (id, uuid) = (state.next_id("attachment"), secret::uuid());
            let (name, external_url) = (file.to_owned(), url.map(str::to_owned));
            let asset = Attachment { id, uuid: uuid.clone(), repo, name, content, created, external_url, place };
            state.attachments.insert(uuid.clone(), asset);
            Some(uuid)
        })
    }

    /// Adds a file to a release; answers its uuid.
    pub fn add_release_asset(
        &self,
        owner: &str,
        name: &str,
        release: i64,
        file: &str,
        content: impl Into<Bytes>,
    ) -> Option<String> {
        self.attach(owner, name, file, content.into(), None, |_| Some(Place::Release(release)))
    }

    /// Adds an asset to a release that lies elsewhere: its `browser_download_url` is `url`. Answers its uuid.
    pub fn add_external_asset(&self, owner: &str, name: &str, release: i64, file: &str, url: &str) -> Option<String> {
        self.attach(owner, name, file, Bytes::new(), Some(url), |_| Some(Place::Release(release)))
    }

    /// Attaches a file to an issue or pull request; answers its uuid.
    pub fn attach_to_issue(
        &self,
        owner: &str,
        name: &str,
        number: i64,
        file: &str,
        content: impl Into<Bytes>,
    ) -> Option<String> {
        self.attach(owner, name, file, content.into(), None, |repo| Some(Place::Issue(repo.issues.get(&number)?.id)))
    }
}
