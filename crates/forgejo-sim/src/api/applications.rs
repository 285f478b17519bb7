//! `user/applications/oauth2`: a user's own OAuth2 applications.
//!
//! `confidential_client` is false when left out, and every PATCH makes a new secret.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::credential::App,
    secret::{self, SecretKind},
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{Route, USER, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "user/applications/oauth2", USER, list),
    signed("POST", "user/applications/oauth2", USER, create),
    signed("GET", "user/applications/oauth2/{id}", USER, get),
    signed("PATCH", "user/applications/oauth2/{id}", USER, edit),
    signed("DELETE", "user/applications/oauth2/{id}", USER, delete),
];

#[derive(Deserialize)]
struct AppOption {
    #[serde(default)]
    name: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    confidential_client: bool,
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    let apps = call.state.credentials.apps.values().filter(|app| app.owner == Some(doer));
    call.page(apps.map(|app| json_of(app, "")).collect())
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: AppOption = call.body()?;
    if option.name.is_empty() {
        return Err(ApiError::invalid("[Name]: Required"));
    }
    let app = App {
        id: call.state.next_id("application"),
        owner: Some(call.doer_id()?),
        name: option.name,
        client_id: secret::uuid(),
        client_secret: call.site.issue(SecretKind::ClientSecret, secret::base32("gto_")),
        confidential: option.confidential_client,
        redirect_uris: option.redirect_uris,
        created: call.now,
    };
    let body = json_of(&app, &app.client_secret);
    call.state.credentials.apps.insert(app.id, app);
    created(&body)
}

fn own<'a>(call: &'a mut Call<'_>) -> Result<&'a mut App, ApiError> {
    let (doer, id) = (call.doer_id()?, call.number(0)?);
    let app = call.state.credentials.apps.get_mut(&id).filter(|app| app.owner == Some(doer));
    app.ok_or_else(ApiError::not_found)
}

fn get(call: &mut Call<'_>) -> ApiResult {
    ok(&json_of(own(call)?, ""))
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: AppOption = call.body()?;
    let secret = call.site.issue(SecretKind::ClientSecret, secret::base32("gto_"));
    let app = own(call)?;
    app.name = option.name;
    app.redirect_uris = option.redirect_uris;
    app.confidential = option.confidential_client;
    app.client_secret.clone_from(&secret);
    ok(&json_of(app, &secret))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let id = own(call)?.id;
    call.state.credentials.remove_app(id);
    done()
}

fn json_of(app: &App, secret: &str) -> Value {
    json!({
        "id": app.id, "name": app.name, "client_id": app.client_id, "client_secret": secret,
        "confidential_client": app.confidential, "redirect_uris": app.redirect_uris, "created": rfc3339(app.created),
    })
}
