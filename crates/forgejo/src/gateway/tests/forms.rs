//! Form bodies, small and streamed.

use bytes::Bytes;
use futures_util::stream;
use http::Method;

use super::fake::{World, refusal};
use crate::gateway::GatewayEvent;

const TARGET: &str = "/api/v1/repos/a/b/issues/1/assets";
const MULTIPART: &str = "multipart/form-data; boundary=bOuNdArY";

fn part(name: &str, content: &str) -> String {
    format!("--bOuNdArY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

async fn post(world: &World, content_type: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
    world.request(Method::POST, TARGET).header("content-type", content_type).body(body).send().await.unwrap()
}

#[tokio::test]
async fn identity_fields_of_urlencoded_forms_are_refused() {
    let mut world = World::plain().await;
    for body in ["access_token=x", "title=a&token=x", "s%75do=root", "SUDO=root"] {
        let message = refusal(post(&world, "application/x-www-form-urlencoded", body).await, 403).await;
        assert!(message.contains("field"), "{message}");
    }
    refusal(post(&world, "Application/X-WWW-Form-Urlencoded; charset=utf-8", "token=x").await, 403).await;
    assert!(world.forgejo.seen().is_empty());
    world.event(|event| matches!(event, GatewayEvent::IdentityFieldRefused { field: "access_token", .. })).await;
    assert_eq!(post(&world, "application/x-www-form-urlencoded", "title=token&x=%26sudo%3D").await.status(), 200);
    let seen = world.forgejo.only();
    assert_eq!(&seen.body[..], b"title=token&x=%26sudo%3D");
}

#[tokio::test]
async fn identity_fields_of_multipart_forms_are_refused() {
    let world = World::plain().await;
    for name in ["sudo", "token", "access_token", "Access_Token"] {
        let body = format!("{}{}--bOuNdArY--\r\n", part("attachment", "x"), part(name, "y"));
        refusal(post(&world, MULTIPART, body).await, 403).await;
    }
    assert!(world.forgejo.seen().is_empty());
    let body = format!("{}--bOuNdArY--\r\n", part("attachment", "token"));
    assert_eq!(post(&world, MULTIPART, body.clone()).await.status(), 200);
    let seen = world.forgejo.only();
    assert_eq!(&seen.body[..], body.as_bytes());
    assert_eq!(seen.headers["content-type"], "multipart/form-data; boundary=\"bOuNdArY\"");
}

#[tokio::test]
pub(super) async fn a_field_after_megabytes_of_content_is_found_while_streaming() {
    let world = World::plain().await;
    let mut pieces = vec![Bytes::from(part("attachment", "").strip_suffix("\r\n").unwrap().to_owned())];
    pieces.extend((0..48).map(|_| Bytes::from(vec![b'x'; 64 * 1024])));
    pieces.push(Bytes::from("\r\n".to_owned() + &part("sudo", "root") + "--bOuNdArY--\r\n"));
    let body = reqwest::Body::wrap_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)));
    let message = refusal(post(&world, MULTIPART, body).await, 403).await;
    assert!(message.contains("sudo"), "{message}");
    assert!(world.forgejo.seen().is_empty(), "Forgejo must not get a whole request");
}

#[tokio::test]
async fn a_large_clean_upload_arrives_whole() {
    let world = World::plain().await;
    let content = "0123456789abcdef".repeat(300_000);
    let body = format!("{}--bOuNdArY--\r\n", part("attachment", &content));
    assert_eq!(post(&world, MULTIPART, body.clone()).await.status(), 200);
    let seen = world.forgejo.only();
    assert!(seen.body == body.as_bytes(), "{} of {} bytes", seen.body.len(), body.len());
    assert_eq!(seen.headers["content-length"], body.len().to_string().as_str());
}

#[tokio::test]
async fn content_types_that_only_one_reader_takes_for_a_form_are_refused() {
    let world = World::plain().await;
    for content_type in [
        "application/json; x=form-urlencoded",
        "text/plain; multipart/form-data",
        "multipart/mixed; boundary=bOuNdArY",
        "multipart/form-data",
        "multipart/form-data; boundary=a; boundary=bOuNdArY",
        "multipart/form-data; charset=x; boundary=bOuNdArY",
        "; x",
    ] {
        refusal(post(&world, content_type, "token=x").await, 415).await;
    }
    let twice = world
        .request(Method::POST, TARGET)
        .header("content-type", "application/json")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("token=x");
    refusal(twice.send().await.unwrap(), 400).await;
    assert!(world.forgejo.seen().is_empty());
    assert_eq!(post(&world, "text/plain; format=flowed", "token=x").await.status(), 200);
}

#[tokio::test]
async fn a_form_too_large_to_read_whole_is_refused() {
    let world = World::plain().await;
    let body = format!("title={}", "x".repeat(2 << 20));
    refusal(post(&world, "application/x-www-form-urlencoded", body).await, 413).await;
    assert!(world.forgejo.seen().is_empty());
}
