//! Downloads beside the API: attachments, archives, raw files, release files, git's ref list.
//!
//! They take an OAuth token like the API, and an attachment is served below any repository that exists: both are doors.

use bytes::Bytes;
use http::StatusCode;

use crate::{
    api::identity::{self, HeldBack},
    model::{
        Attachment, Place, State,
        repo::{Access, Repo},
    },
    scope::{ApiScope, Category},
    site::Site,
    wire::{self, Request, Response},
};

use super::{archive, session::Browser};

/// Who downloads: by token or by cookie.
struct Reader {
    user: Option<i64>,
    scope: Option<ApiScope>,
}

// === impl Reader ===

impl Reader {
    fn of(site: &Site, state: &mut State, request: &Request) -> Result<Self, Box<Response>> {
        let refused = || {
            Box::new(wire::text(
                StatusCode::UNAUTHORIZED,
                "Credentials are incorrect or have expired. Please try again.\n",
            ))
        };
        let identity = identity::of_request(site, state, request).map_err(|_| refused())?;
        let (user, scope) = match identity {
            Some(identity) => (Some(identity.user), identity.scope),
            None => (Browser::of(site, state, request).user(state), None),
        };
        if let Some(held) = user.and_then(|id| state.users.get(&id)).and_then(|user| HeldBack::of(site, user)) {
            return Err(Box::new(wire::text(StatusCode::FORBIDDEN, held.message(site))));
        }
        Ok(Self { user, scope })
    }

    fn may_read(&self, state: &State, repo: &Repo) -> bool {
        let scoped = self.scope.as_ref().is_none_or(|scope| {
            scope.allows(false, &[Category::Repository]) && !(scope.is_public_only() && repo.private)
        });
        scoped && state.access(self.user, repo) >= Access::Read
    }
}

/// Runs a download for somebody; what he may not read is not found.
fn serve(site: &Site, request: &Request, find: impl FnOnce(&State, &Reader) -> Option<Response>) -> Response {
    let mut state = site.state.lock();
    match Reader::of(site, &mut state, request) {
        Ok(reader) => find(&state, &reader).unwrap_or_else(wire::not_found),
        Err(response) => *response,
    }
}

/// `attachments/{uuid}`.
pub(crate) fn attachment(site: &Site, request: &Request, uuid: &str) -> Response {
    serve(site, request, |state, reader| asset(state, reader, uuid))
}

/// `{owner}/{repo}/attachments/{uuid}`: the repository needs only to exist and be readable, the attachment may be another's.
pub(crate) fn attachment_in(site: &Site, request: &Request, owner: &str, name: &str, uuid: &str) -> Response {
    serve(site, request, |state, reader| {
        let repo = state.repo(owner, name)?;
        reader.may_read(state, repo).then(|| asset(state, reader, uuid)).flatten()
    })
}

fn asset(state: &State, reader: &Reader, uuid: &str) -> Option<Response> {
    let asset = state.attachments.get(uuid)?;
    reader.may_read(state, state.repos.get(&asset.repo)?).then(|| send(asset))
}

/// An attachment with an external URL is a redirect there.
fn send(asset: &Attachment) -> Response {
    if let Some(url) = &asset.external_url {
        return wire::see_other(url);
    }
    let mut response = file(&asset.content);
    let name: String = asset.name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_. ".contains(*c)).collect();
    wire::set_header(&mut response, "content-disposition", &format!("attachment; filename=\"{name}\""));
    response
}

/// `{owner}/{repo}/releases/download/{tag}/{file}`.
pub(crate) fn release_file(
    site: &Site,
    request: &Request,
    (owner, name): (&str, &str),
    tag: &str,
    wanted: &str,
) -> Response {
    serve(site, request, |state, reader| {
        let repo = state.repo(owner, name).filter(|repo| reader.may_read(state, repo))?;
        let release = repo.releases.iter().find(|release| release.tag == tag)?;
        let place = Place::Release(release.id);
        let asset = state
            .attachments
            .values()
            .find(|asset| asset.repo == repo.id && asset.place == place && asset.name == wanted)?;
        Some(send(asset))
    })
}

/// `{owner}/{repo}/archive/{ref}.zip` or `.tar.gz`.
pub(crate) fn archive(site: &Site, request: &Request, owner: &str, name: &str, wanted: &str) -> Response {
    serve(site, request, |state, reader| {
        let repo = state.repo(owner, name).filter(|repo| reader.may_read(state, repo))?;
        archive_of(repo, wanted)
    })
}

/// The archive of a repository that a name like `main.zip` asks for.
pub(crate) fn archive_of(repo: &Repo, wanted: &str) -> Option<Response> {
    let dir = repo.name.to_lowercase();
    if let Some(commit) = wanted.strip_suffix(".zip").and_then(|at| repo.resolve(at)) {
        return Some(wire::answer(StatusCode::OK, "application/zip", archive::zip(&dir, &commit.tree)));
    }
    let commit = wanted.strip_suffix(".tar.gz").and_then(|at| repo.resolve(at))?;
    Some(wire::answer(StatusCode::OK, "application/gzip", archive::tar_gz(&dir, &commit.tree)))
}

/// `{owner}/{repo}/{raw,media}/{branch,tag,commit}/{ref}/{path}`; a ref may hold slashes.
pub(crate) fn raw(site: &Site, request: &Request, (owner, name): (&str, &str), kind: &str, rest: &str) -> Response {
    serve(site, request, |state, reader| {
        let repo = state.repo(owner, name).filter(|repo| reader.may_read(state, repo))?;
        let splits = rest.match_indices('/').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
        let found = splits.into_iter().find_map(|(at, path)| {
            let named = match kind {
                "branch" => repo.git.branches.contains_key(at),
                "tag" => repo.git.tags.contains_key(at),
                _ => true,
            };
            named.then(|| repo.resolve(at)?.tree.get(path)).flatten()
        });
        found.map(file)
    })
}

/// `{owner}/{repo}/info/refs`: the beginning of git over HTTP.
pub(crate) fn git_refs(site: &Site, request: &Request, owner: &str, name: &str) -> Response {
    let service = request.query.value("service").to_owned();
    serve(site, request, |state, reader| {
        let repo =
            state.repo(owner, name.strip_suffix(".git").unwrap_or(name)).filter(|repo| reader.may_read(state, repo))?;
        let line = |text: String| format!("{:04x}{text}", text.len() + 4);
        let mut out = line(format!("# service={service}\n"));
        out.push_str("0000");
        let mut capabilities = "\0symref=HEAD:refs/heads/main agent=git/2.47.0";
        for (branch, sha) in &repo.git.branches {
            out.push_str(&line(format!("{sha} refs/heads/{branch}{capabilities}\n")));
            capabilities = "";
        }
        out.push_str("0000");
        let content_type = match service.as_str() {
            "git-upload-pack" => "application/x-git-upload-pack-advertisement",
            "git-receive-pack" => "application/x-git-receive-pack-advertisement",
            _ => "text/plain",
        };
        Some(wire::answer(StatusCode::OK, content_type, out))
    })
}

/// A file's bytes, typed as text when they are.
pub(crate) fn file(content: &Bytes) -> Response {
    let is_text = std::str::from_utf8(content).is_ok();
    let content_type = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    wire::answer(StatusCode::OK, content_type, content.clone())
}
