//! What the gateway answers when it does not forward: always Forgejo's error shape, always with what the user can do.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{doors::DoorGroup, limits::LimitKind, multipart::MultipartError, path::PathError};

/// Why a request is answered by the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No capability, or one that is not (or no longer) good.
    #[error("the token is not one that this address accepts: it belongs to no running worker")]
    WrongCapability,
    /// The worker has not been given to a user yet.
    #[error("this MCP server has not been given to a user yet: call a tool in a session first")]
    Unassigned,
    /// The user's connection was revoked or has expired.
    #[error("this connection to Forgejo was ended: log in again from your MCP client")]
    GrantEnded,
    /// A method that writes, under a grant that only reads.
    #[error(
        "this connection is read-only, so {0} is refused: to let it write, connect your MCP client again and choose write access"
    )]
    ReadOnly(Method),
    /// A grant of chosen repositories, and something that lies outside of them.
    #[error(
        "this connection is limited to chosen repositories, and this is outside of them: to change the choice, open the account page of this broker, or \
         connect your MCP client again"
    )]
    OutsideChosen,
    /// The same, and a request that is no part of single repositories, or makes, moves or joins them.
    #[error(
        "this connection is limited to chosen repositories, which leaves out this request: it reaches beyond them, or makes, renames, forks or moves a \
         repository. Use Forgejo's web pages for it, or connect your MCP client again without the limit"
    )]
    BeyondChosen,
    /// The same, and a request whose body or path names another repository; the text says where.
    #[error(
        "this connection is limited to chosen repositories, and {0} points to another one: leave that out, or add the repository on the account page of \
         this broker"
    )]
    NamesAnother(&'static str),
    /// The same, and a merge that may delete a branch of another repository.
    #[error(
        "this connection is limited to chosen repositories, and this pull request comes from another one, where the merge could delete the branch: send \
         delete_branch_after_merge as false"
    )]
    MayDeleteBranch,
    /// The same, and an attachment that no answer has shown.
    #[error(
        "this connection is limited to chosen repositories, so an attachment can be downloaded only after its issue, comment or release was read: read that \
         first, then try again"
    )]
    UnseenAttachment,
    /// The same, and a body that can't be judged.
    #[error(
        "this connection is limited to chosen repositories, so what it writes must be one JSON object (application/json) as Forgejo's API documents it, \
         files excepted"
    )]
    LimitedBody,
    /// The same, and a member of the body that could be read in two ways.
    #[error(
        "this connection is limited to chosen repositories, and the member \"{0}\" of the body is repeated or spelled in another way: send it once, as \
         Forgejo's API documents it"
    )]
    UnclearMember(&'static str),
    /// The same, and an answer too large to be looked through, in MiB.
    #[error(
        "this connection is limited to chosen repositories, and this answer is larger than the {0} MiB that can be looked through: ask for less at a time, \
         for instance by `limit`"
    )]
    AnswerTooLarge(usize),
    /// The chosen repositories were changed meanwhile.
    #[error(
        "the repositories of this connection were changed while the request ran: look whether it took effect before you send it again"
    )]
    LimitsChanged,
    /// A door that the operator has not opened.
    #[error(
        "credentials and administration are closed to MCP connections, here the group \"{0}\": use Forgejo's web pages, or ask the operator of this \
         broker to open the group"
    )]
    Door(DoorGroup),
    /// A path that is not forwarded.
    #[error("the address is refused: {0}. Correct the name of the repository, branch or file and try again")]
    Path(#[from] PathError),
    /// A download with another method than GET or HEAD, or a method that Forgejo's API does not have.
    #[error("the method {0} is refused here: use one that Forgejo's API documents")]
    Method(Method),
    /// An absolute-form or authority-form target.
    #[error("the request target must be a path: proxy requests are refused")]
    NotAPath,
    /// An `Upgrade` header.
    #[error("upgrading the connection is refused: use plain HTTP/1.1")]
    Upgrade,
    /// A header that must come once came several times, or can't be read.
    #[error("the header {0} is repeated or unreadable: send it once")]
    Header(&'static str),
    /// A body on GET or HEAD.
    #[error("a {0} request must have no body")]
    UnexpectedBody(Method),
    /// A form field by which Forgejo would take another identity.
    #[error("the form field \"{0}\" is refused: a connection always acts as the user who made it")]
    IdentityField(&'static str),
    /// A multipart body that two readers could understand differently.
    #[error("the multipart body is refused: {0}")]
    Multipart(MultipartError),
    /// A content type that Forgejo might read as a form although it is none.
    #[error(
        "the content type is refused: use application/json, application/x-www-form-urlencoded or multipart/form-data"
    )]
    ContentType,
    /// A body beyond the limit, in bytes.
    #[error("the request body is larger than the {0} bytes that are allowed here")]
    BodyTooLarge(u64),
    /// The worker stopped sending its body.
    #[error("the request body did not arrive in time")]
    BodyTimeout,
    /// The worker broke its body off.
    #[error("the request body broke off")]
    BodyBroken,
    /// A limit of the user.
    #[error("{kind} for this user: try again in {retry_after} s")]
    Limit {
        /// Which limit.
        kind: LimitKind,
        /// Seconds.
        retry_after: u32,
    },
    /// Forgejo has said for good that the user must log in again.
    #[error("the login at Forgejo behind this connection has ended: log in again from your MCP client")]
    CredentialDead,
    /// No token can be had now.
    #[error("Forgejo's login service cannot be reached at present: try again in {retry_after} s")]
    CredentialUnavailable {
        /// Seconds.
        retry_after: u32,
    },
    /// Forgejo's 401 although the credential lives.
    #[error(
        "Forgejo does not accept this connection for this request, although the login is good: the application's permissions in Forgejo may not cover \
         it, or your account needs attention there (Settings, Applications). If it worked a moment ago, try again in a minute, when the login can be renewed"
    )]
    NotAccepted,
    /// A 401, a fresh token, and a body that could not be kept for a second try.
    #[error("the login at Forgejo was renewed while the upload ran: send the request again")]
    SendAgain,
    /// A redirect to a place that is neither Forgejo's nor on the operator's list.
    #[error(
        "Forgejo points to another server ({host}), which is refused: open the link in a browser, or ask the operator of this broker to allow that storage \
         origin"
    )]
    ForeignRedirect {
        /// Host and port as parsed.
        host: String,
    },
    /// A redirect within Forgejo to a path that is not forwarded.
    #[error(
        "Forgejo points to one of its web pages, which are closed to MCP connections: open the resource in a browser"
    )]
    PageRedirect,
    /// No connection to Forgejo.
    #[error("Forgejo cannot be reached at present: try again in {retry_after} s")]
    Unreachable {
        /// Seconds.
        retry_after: u32,
    },
    /// Forgejo broke the connection off, or answered something that is not HTTP.
    #[error("Forgejo broke the connection off: try again")]
    Broken,
    /// Forgejo was silent for too long.
    #[error("Forgejo did not answer within {0} s: try again later, or ask for less")]
    UpstreamTimeout(u64),
    /// An answer that can't be passed on safely.
    #[error("Forgejo's answer could not be passed on: {0}")]
    Unreadable(&'static str),
}

// === impl Refusal ===

impl Refusal {
    /// The HTTP status that the worker sees. 401 means the worker's own capability, never the user's login: a child may
    /// take a 401 as a reason to exit.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::WrongCapability => StatusCode::UNAUTHORIZED,
            Self::Unassigned
            | Self::GrantEnded
            | Self::ReadOnly(_)
            | Self::OutsideChosen
            | Self::BeyondChosen
            | Self::NamesAnother(_)
            | Self::MayDeleteBranch
            | Self::UnseenAttachment
            | Self::LimitedBody
            | Self::UnclearMember(_)
            | Self::AnswerTooLarge(_)
            | Self::LimitsChanged
            | Self::Door(_)
            | Self::IdentityField(_)
            | Self::CredentialDead
            | Self::NotAccepted
            | Self::ForeignRedirect { .. }
            | Self::PageRedirect
            | Self::Path(PathError::UnknownPlace) => StatusCode::FORBIDDEN,
            Self::Path(_)
            | Self::NotAPath
            | Self::Upgrade
            | Self::Header(_)
            | Self::UnexpectedBody(_)
            | Self::Multipart(_)
            | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Limit { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::CredentialUnavailable { .. } | Self::SendAgain | Self::Unreachable { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Broken | Self::Unreadable(_) => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Seconds after which another try makes sense, where that can be said.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Limit { retry_after, .. }
            | Self::CredentialUnavailable { retry_after }
            | Self::Unreachable { retry_after } => Some((*retry_after).max(1)),
            Self::SendAgain => Some(1),
            _ => None,
        }
    }

    /// The answer in the shape of Forgejo's API errors; `documentation` is what Forgejo puts into `url`.
    pub(super) fn response(&self, documentation: &str) -> Response<Bytes> {
        let body = serde_json::json!({ "message": self.to_string(), "url": documentation }).to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::Method(_)) {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
