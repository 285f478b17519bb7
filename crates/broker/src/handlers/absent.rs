//! Where there is nothing: a page for people, a word for programs.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::app::App;
use crate::middleware::RequestId;
use crate::pages::{ErrorPage, NamedLink};

/// Answers every address that no route has.
pub(crate) async fn any(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
) -> Response {
    let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    if !accepted.into_iter().any(|value| value.contains("text/html")) {
        let text = format!("There is nothing at this address. The MCP endpoint is {}\n", app.site.resource.as_str());
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    ErrorPage {
        status: StatusCode::NOT_FOUND,
        title: "There is no such page".to_owned(),
        wrong: "Nothing is at this address.".to_owned(),
        remedy: "The start page tells how to connect a program, and leads to your connections.".to_owned(),
        request_id: request_id.as_str().to_owned(),
        link: Url::parse(&app.site.issuer).ok().as_ref().and_then(NamedLink::to),
    }
    .into_response()
}
