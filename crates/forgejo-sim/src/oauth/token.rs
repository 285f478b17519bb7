//! `POST login/oauth/access_token`.
//!
//! Every refusal is a 400, never a 401, and no answer says which scope was granted. Between the checks and the change
//! of the grant's counter there is a gap in which parallel requests can meet, as in Forgejo.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    config::Profile,
    model::{
        State,
        credential::{App, Grant},
    },
    secret::SecretKind,
    site::Site,
    wire::{self, Params, Request, Response},
};

use super::jwt::Claims;

/// A refusal of the token endpoint: `error` and `error_description`.
#[derive(Debug)]
struct Refusal {
    error: &'static str,
    description: String,
}

/// What a client sent, from body and Basic header.
struct TokenForm {
    fields: Params,
    client_id: String,
    client_secret: String,
}

/// Checks passed; what is to be changed.
struct Ticket {
    grant: i64,
    /// The grant's counter when it was read: the change is a compare-and-swap on it.
    counter: i64,
    code: Option<String>,
    client_id: String,
}

pub(crate) async fn post(site: &Site, request: &Request) -> Response {
    match exchange(site, request).await {
        Ok(tokens) => {
            let mut response = wire::json(StatusCode::OK, &tokens);
            wire::set_header(&mut response, "cache-control", "no-store");
            wire::set_header(&mut response, "pragma", "no-cache");
            response
        }
        Err(refusal) => {
            let body = json!({"error": refusal.error, "error_description": refusal.description});
            wire::json(StatusCode::BAD_REQUEST, &body)
        }
    }
}

async fn exchange(site: &Site, request: &Request) -> Result<Value, Refusal> {
    let form = read_form(site, request)?;
    match form.fields.value("grant_type") {
        "refresh_token" => {
            let ticket = check_refresh(site, &site.state.lock(), &form)?;
            site.races.refresh.wait().await;
            commit(site, &mut site.state.lock(), &ticket)
        }
        "authorization_code" => {
            let ticket = check_code(site, &site.state.lock(), &form)?;
            site.races.code.wait().await;
            commit(site, &mut site.state.lock(), &ticket)
        }
        _ => refuse("unsupported_grant_type", "Only refresh_token or authorization_code grant type is supported"),
    }
}

fn read_form(site: &Site, request: &Request) -> Result<TokenForm, Refusal> {
    let fields = if request.content_type().starts_with("application/json") {
        let Ok(Value::Object(map)) = serde_json::from_slice(&request.body) else {
            return refuse("invalid_request", "cannot read the JSON body");
        };
        let text = |value: Value| value.as_str().map(str::to_owned).unwrap_or_default();
        Params::from(map.into_iter().map(|(name, value)| (name, text(value))).collect::<Vec<_>>())
    } else {
        request.form.clone()
    };
    let mut client_id = fields.value("client_id").to_owned();
    let mut client_secret = fields.value("client_secret").to_owned();
    let header = request.header("authorization");
    if let Some((name, password)) = request.basic() {
        if !client_id.is_empty() && client_id != name {
            return refuse("invalid_request", "client_id in request body inconsistent with Authorization header");
        }
        if !client_secret.is_empty() && client_secret != password {
            return refuse("invalid_request", "client_secret in request body inconsistent with Authorization header");
        }
        (client_id, client_secret) = (name, password);
    } else if header.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic ")) {
        return refuse("invalid_request", "cannot parse basic auth header");
    } else if !header.is_empty() && site.profile() == Profile::Gitea {
        return refuse("invalid_request", "invalid authorization header");
    }
    Ok(TokenForm { fields, client_id, client_secret })
}

fn check_refresh(site: &Site, state: &State, form: &TokenForm) -> Result<Ticket, Refusal> {
    let app = find_app(state, &form.client_id)?;
    if app.confidential && !app.accepts_secret(&form.client_secret) {
        return refuse("invalid_client", wrong_secret(&form.client_secret));
    }
    let Ok(claims) = site.signer.read(form.fields.value("refresh_token"), site.now()) else {
        return refuse("unauthorized_client", "unable to parse refresh token");
    };
    if claims.tt != 1 && matches!(site.profile(), Profile::V15 | Profile::Main) {
        return refuse("unauthorized_client", "token is not a refresh token");
    }
    let Some(grant) = state.credentials.grants.get(&claims.gnt) else {
        return refuse("invalid_grant", "grant does not exist");
    };
    if grant.app != app.id {
        let theirs = "refresh token belongs to a different client";
        let ours = "refresh token was not issued to this client";
        return refuse("invalid_grant", if site.profile() == Profile::Gitea { theirs } else { ours });
    }
    if site.invalidates_refresh_tokens() && (claims.cnt != grant.counter || claims.cnt == 0) {
        return refuse("unauthorized_client", "token was already used");
    }
    Ok(Ticket { grant: grant.id, counter: grant.counter, code: None, client_id: app.client_id.clone() })
}

fn check_code(site: &Site, state: &State, form: &TokenForm) -> Result<Ticket, Refusal> {
    let gitea = site.profile() == Profile::Gitea;
    let app = find_app(state, &form.client_id)?;
    if app.confidential && !app.accepts_secret(&form.client_secret) {
        return refuse("unauthorized_client", wrong_secret(&form.client_secret));
    }
    let redirect_uri = form.fields.value("redirect_uri");
    if !redirect_uri.is_empty() && !app.accepts_redirect(redirect_uri) {
        return refuse("unauthorized_client", "unexpected redirect URI");
    }
    let name = form.fields.value("code");
    let Some(code) = state.credentials.codes.get(name) else {
        return refuse(if gitea { "invalid_grant" } else { "unauthorized_client" }, "client is not authorized");
    };
    let default_life = gitea.then(|| std::time::Duration::from_mins(10));
    if let Some(life) = site.config.code_life.or(default_life)
        && site.now() >= code.created + seconds(life)
    {
        return refuse("invalid_grant", "authorization code expired");
    }
    if !verifies(site, &code.method, &code.challenge, form.fields.value("code_verifier")) {
        return refuse("unauthorized_client", "failed PKCE code challenge");
    }
    if code.redirect_uri != redirect_uri {
        return if gitea {
            refuse("invalid_grant", "redirect_uri differs from the original authorization request")
        } else {
            refuse("unauthorized_client", "redirect_uri does not match the authorization request")
        };
    }
    match state.credentials.grants.get(&code.grant) {
        Some(grant) if grant.app == app.id => Ok(Ticket {
            grant: grant.id,
            counter: grant.counter,
            code: Some(name.to_owned()),
            client_id: app.client_id.clone(),
        }),
        _ => refuse("invalid_grant", "invalid grant"),
    }
}

/// Takes the code out, raises the counter, makes the tokens.
fn commit(site: &Site, state: &mut State, ticket: &Ticket) -> Result<Value, Refusal> {
    let measured_v11 = site.profile() == Profile::V11;
    if let Some(code) = &ticket.code
        && state.credentials.codes.remove(code).is_none()
    {
        return if measured_v11 {
            refuse("unauthorized_client", "client is not authorized")
        } else {
            refuse("invalid_request", "cannot proceed your request")
        };
    }
    let Some(grant) = state.credentials.grants.get_mut(&ticket.grant) else {
        return refuse("invalid_grant", "grant does not exist");
    };
    if site.invalidates_refresh_tokens() {
        // Of two logins at once, measured on 11.0.15, both succeed: there a code exchange reads the counter again.
        let may_lose = ticket.code.is_none() || !measured_v11;
        if may_lose && grant.counter != ticket.counter {
            return if measured_v11 {
                refuse("unauthorized_client", "token was already used")
            } else {
                refuse("invalid_grant", "cannot increase the grant counter")
            };
        }
        grant.counter += 1;
    }
    let grant = grant.clone();
    Ok(tokens(site, state, &grant, &ticket.client_id))
}

fn tokens(site: &Site, state: &State, grant: &Grant, client_id: &str) -> Value {
    let life = seconds(site.config.access_token_life);
    let (access, refresh) = pair(site, grant);
    let mut body = json!({
        "access_token": access,
        "token_type": "bearer",
        "expires_in": life,
        "refresh_token": refresh,
    });
    if has_scope(grant, "openid") {
        let claims = id_claims(site, state, grant, client_id, site.now() + life);
        body["id_token"] = Value::String(site.issue(SecretKind::IdToken, site.signer.sign(&claims)));
    }
    body
}

fn pair(site: &Site, grant: &Grant) -> (String, String) {
    let now = site.now();
    let access = Claims { gnt: grant.id, tt: 0, cnt: 0, exp: now + seconds(site.config.access_token_life), iat: now };
    let refresh = Claims { tt: 1, cnt: grant.counter, exp: now + seconds(site.config.refresh_token_life), ..access };
    (
        site.issue(SecretKind::AccessToken, site.signer.sign(&access)),
        site.issue(SecretKind::RefreshToken, site.signer.sign(&refresh)),
    )
}

/// Tokens for a grant without a request: the counter is raised as at a code exchange.
pub(crate) fn mint(site: &Site, state: &mut State, grant: i64) -> Option<(String, String)> {
    let grant = state.credentials.grants.get_mut(&grant)?;
    if site.invalidates_refresh_tokens() {
        grant.counter += 1;
    }
    Some(pair(site, grant))
}

fn id_claims(site: &Site, state: &State, grant: &Grant, client_id: &str, exp: i64) -> Value {
    let mut claims = json!({
        "iss": site.issuer(),
        "sub": grant.user.to_string(),
        "aud": [client_id],
        "exp": exp,
        "iat": site.now(),
    });
    if !grant.nonce.is_empty() {
        claims["nonce"] = json!(grant.nonce);
    }
    let Some(user) = state.users.get(&grant.user) else {
        return claims;
    };
    if has_scope(grant, "profile") {
        let name = if user.full_name.is_empty() { &user.login } else { &user.full_name };
        claims["name"] = json!(name);
        claims["preferred_username"] = json!(user.login);
        claims["profile"] = json!(site.url(&user.login));
        claims["picture"] = json!(super::userinfo::picture(site, user));
        claims["website"] = json!("");
        claims["locale"] = json!("en-US");
        claims["updated_at"] = json!(user.created);
    }
    if has_scope(grant, "email") {
        claims["email"] = json!(user.email);
        claims["email_verified"] = json!(user.is_active());
    }
    if has_scope(grant, "groups") {
        claims["groups"] = json!(super::userinfo::groups(state, user.id));
    }
    claims
}

pub(crate) fn has_scope(grant: &Grant, name: &str) -> bool {
    grant.scope.split(' ').any(|scope| scope == name)
}

fn find_app<'a>(state: &'a State, client_id: &str) -> Result<&'a App, Refusal> {
    let unknown = || Refusal {
        error: "invalid_client",
        description: format!("cannot load client with client id: {client_id:?}"),
    };
    state.credentials.app(client_id).ok_or_else(unknown)
}

fn verifies(site: &Site, method: &str, challenge: &str, verifier: &str) -> bool {
    match method {
        "S256" => !site.config.check_s256 || URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == challenge,
        "plain" => verifier == challenge,
        _ => challenge.is_empty(),
    }
}

const fn wrong_secret(secret: &str) -> &'static str {
    if secret.is_empty() { "invalid empty client secret" } else { "invalid client secret" }
}

fn seconds(life: std::time::Duration) -> i64 {
    i64::try_from(life.as_secs()).unwrap_or(i64::MAX)
}

fn refuse<T>(error: &'static str, description: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { error, description: description.into() })
}
