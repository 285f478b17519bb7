use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::fake_forgejo::{FakeForgejo, secret};
use crate::oauth_client::OutboundConfig;
use crate::token_source::KnownIdentity;

/// Who asks: the token, and what comes after it was refused.
struct Tokens {
    first: &'static str,
    after: Result<After401, CredentialError>,
}

impl TokenSource for Tokens {
    fn access_token(&self, _user: Arc<str>) -> BoxFuture<'_, Result<SecretString, CredentialError>> {
        async { Ok(secret(self.first)) }.boxed()
    }

    fn after_401(&self, _user: Arc<str>, failed: SecretString) -> BoxFuture<'_, Result<After401, CredentialError>> {
        assert_eq!(failed.expose_secret(), self.first);
        async { self.after.clone() }.boxed()
    }

    fn identity(&self, _user: Arc<str>) -> BoxFuture<'_, Option<KnownIdentity>> {
        async { None }.boxed()
    }
}

type Queries = Arc<Mutex<Vec<HashMap<String, String>>>>;

fn repository(id: i64, name: &str) -> Value {
    json!({ "id": id, "full_name": name, "description": null, "private": id == 2, "owner": { "login": "x" } })
}

fn refuse(headers: &HeaderMap) -> Option<Response> {
    let status = match headers.get("authorization").and_then(|value| value.to_str().ok()) {
        Some("Bearer good") => return None,
        Some("Bearer narrow") => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    };
    Some((status, Json(json!({ "message": "no" }))).into_response())
}

/// Two repositories, the second one's name made to deceive.
async fn forgejo(tokens: Tokens) -> (Repositories, Queries) {
    let queries = Queries::default();
    let search =
        async |State(queries): State<Queries>, headers: HeaderMap, Query(query): Query<HashMap<String, String>>| {
            queries.lock().push(query);
            refuse(&headers).unwrap_or_else(|| {
                let data = [repository(1, "alice/hello"), repository(2, "alice/\u{202e}olleh\n")];
                ([("x-total-count", "41")], Json(json!({ "ok": true, "data": data }))).into_response()
            })
        };
    let by_id = async |headers: HeaderMap, Path(id): Path<i64>| {
        refuse(&headers).unwrap_or_else(|| match id {
            // A proxy that answers with something else must not lend an id to another repository.
            1 | 3 => Json(repository(1, "alice/hello")).into_response(),
            4 => (StatusCode::OK, "<html>").into_response(),
            _ => (StatusCode::NOT_FOUND, Json(json!({ "message": "gone" }))).into_response(),
        })
    };
    let routes = Router::new()
        .route("/git/api/v1/repos/search", get(search))
        .route("/git/api/v1/repositories/{id}", get(by_id))
        .with_state(Arc::clone(&queries));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/git/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let fake = FakeForgejo::start().await;
    let mut config = fake.config();
    config.public_url = Url::parse(&base).unwrap();
    let client = config.build(OutboundConfig::default().build().unwrap(), fake.now()).unwrap();
    (Repositories::new(client, Arc::new(tokens)), queries)
}

fn good() -> Tokens {
    Tokens { first: "good", after: Ok(After401::Alive) }
}

fn alice() -> Arc<str> {
    "alice".into()
}

#[tokio::test]
async fn a_search_shows_names_without_what_deceives_and_how_many_there_are() {
    let (repositories, queries) = forgejo(good()).await;
    let found = repositories.search(&alice(), 9, "a b&c=d", 3).await.unwrap();
    assert_eq!(found.total, Some(41));
    let names: Vec<_> = found.repositories.iter().map(|one| (one.full_name.as_str(), one.private)).collect();
    assert_eq!(names, [("alice/hello", false), ("alice/olleh", true)]);
    let query = queries.lock()[0].clone();
    assert_eq!((query["q"].as_str(), query["page"].as_str(), query["limit"].as_str()), ("a b&c=d", "3", "20"));
}

#[tokio::test]
async fn without_a_text_the_users_own_come_first() {
    let (repositories, queries) = forgejo(good()).await;
    repositories.search(&alice(), 9, "", 0).await.unwrap();
    let query = queries.lock()[0].clone();
    assert_eq!((query["uid"].as_str(), query["sort"].as_str(), query["page"].as_str()), ("9", "updated", "1"));
    assert!(!query.contains_key("q"));
}

#[tokio::test]
async fn only_an_id_behind_which_forgejo_shows_that_repository_counts() {
    let (repositories, _) = forgejo(good()).await;
    assert_eq!(repositories.by_id(&alice(), 1).await.unwrap().unwrap().full_name, "alice/hello");
    assert_eq!(repositories.by_id(&alice(), 2).await.unwrap(), None);
    assert_eq!(repositories.by_id(&alice(), 3).await.unwrap(), None);
    assert!(matches!(repositories.by_id(&alice(), 4).await, Err(RepositoriesError::Unreachable(_))));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let after = Ok(After401::Retry(secret("good")));
    let (repositories, queries) = forgejo(Tokens { first: "stale", after }).await;
    repositories.search(&alice(), 9, "", 1).await.unwrap();
    assert_eq!(queries.lock().len(), 2);
}

#[tokio::test]
async fn a_dead_login_and_a_narrow_one_are_told_apart() {
    let dead = CredentialError::Dead("revoked".to_owned());
    let (repositories, _) = forgejo(Tokens { first: "stale", after: Err(dead.clone()) }).await;
    assert_eq!(repositories.by_id(&alice(), 1).await.unwrap_err(), RepositoriesError::Credential(dead));
    let (repositories, _) = forgejo(Tokens { first: "narrow", after: Ok(After401::Alive) }).await;
    let refused = repositories.search(&alice(), 9, "x", 1).await.unwrap_err();
    assert_eq!(refused, RepositoriesError::Refused(StatusCode::FORBIDDEN));
}
