//! What a grant allows, as a pure function of the judged request.
//!
//! Of chosen repositories only the table of paths is known here; what needs Forgejo's word comes later, in [`repositories`].

use http::Method;

use super::{
    doors::{self, DoorGroups},
    grant::{GrantAccess, GrantTerms},
    path::{Place, TargetPath},
    refusal::Refusal,
    repositories,
};

/// POSTs that only render text, below `/api/v1`.
const RENDERING: &[&[&str]] = &[&["markdown"], &["markdown", "raw"], &["markup"]];

/// What kind of request it is, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestClass {
    /// Reads from the API, rendering included.
    Read,
    /// Changes through the API.
    Write,
    /// One of Forgejo's downloads outside of the API.
    Download,
}

/// Decides on a request; an `Ok` says that it may be forwarded as it was judged.
pub fn judge(
    method: &Method,
    path: &TargetPath,
    terms: &GrantTerms,
    open: DoorGroups,
) -> Result<RequestClass, Refusal> {
    let class = classify(method, path)?;
    if terms.access == GrantAccess::Ended {
        return Err(Refusal::GrantEnded);
    }
    if let Some(group) = doors::groups_of(path).first_outside(open) {
        return Err(Refusal::Door(group));
    }
    if (terms.access, class) == (GrantAccess::ReadOnly, RequestClass::Write) {
        return Err(Refusal::ReadOnly(method.clone()));
    }
    if terms.repositories.is_some() {
        repositories::line_of(method, path)?;
    }
    Ok(class)
}

fn classify(method: &Method, path: &TargetPath) -> Result<RequestClass, Refusal> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match path.place() {
        Place::Api if reads => Ok(RequestClass::Read),
        Place::Api if *method == Method::POST && is_rendering(path) => Ok(RequestClass::Read),
        Place::Api if matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE) => {
            Ok(RequestClass::Write)
        }
        Place::Attachment | Place::RepositoryFile if reads => Ok(RequestClass::Download),
        _ => Err(Refusal::Method(method.clone())),
    }
}

fn is_rendering(path: &TargetPath) -> bool {
    path.api().is_some_and(|segments| RENDERING.iter().any(|known| segments.iter().eq(known.iter())))
}

#[cfg(test)]
pub(in crate::gateway) mod tests;
