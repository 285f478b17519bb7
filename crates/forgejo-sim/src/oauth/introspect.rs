//! `POST login/oauth/introspect`: any application may ask about any token, refresh tokens included.

use http::StatusCode;
use serde_json::json;

use crate::{
    config::Profile,
    site::Site,
    wire::{self, Request, Response},
};

pub(crate) fn post(site: &Site, request: &Request) -> Response {
    let state = site.state.lock();
    let client = request.basic().and_then(|(id, secret)| {
        let app = state.credentials.app(&id)?;
        app.accepts_secret(&secret).then_some(app)
    });
    if client.is_none() {
        let mut response = wire::text(StatusCode::UNAUTHORIZED, "no valid authorization\n");
        let realm = if site.profile() == Profile::Gitea { "Basic realm=\"Gitea OAuth2\"" } else { "Basic realm=\"\"" };
        wire::set_header(&mut response, "www-authenticate", realm);
        return response;
    }
    let inactive = || wire::json(StatusCode::OK, &json!({"active": false}));
    let Ok(claims) = site.signer.read(request.form_value("token"), site.now()) else {
        return inactive();
    };
    let grant = state.credentials.grants.get(&claims.gnt);
    let Some((grant, app)) = grant.and_then(|grant| Some((grant, state.credentials.apps.get(&grant.app)?))) else {
        return inactive();
    };
    let body = json!({
        "active": true,
        "scope": grant.scope,
        "username": state.login(grant.user),
        "iss": site.issuer(),
        "sub": grant.user.to_string(),
        "aud": [app.client_id],
    });
    wire::json(StatusCode::OK, &body)
}
