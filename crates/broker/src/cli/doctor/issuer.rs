//! Whether Forgejo calls itself what the configuration calls it, and whether its login page is where browsers will be sent.

use http::header;
use serde::Deserialize;

use super::finding::Finding;
use super::patient::Patient;
use super::web::ask;

const ISSUER: &str = "forgejo-issuer";
const LOGIN: &str = "forgejo-login";

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
}

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    vec![issuer(patient).await, login(patient).await]
}

async fn issuer(patient: &Patient) -> Finding {
    let config = &patient.config.forgejo;
    let (url, base) = (config.url.as_str(), config.internal_url.as_str());
    let request = patient.outbound.client().get(format!("{base}/.well-known/openid-configuration"));
    let document = match ask(request).await {
        Ok(answer) => {
            let Some(document) = answer.json::<Document>() else {
                let seen = format!("{base}/.well-known/openid-configuration answers {}", answer.in_words());
                return Finding::warn(ISSUER, seen, "see whether OAuth2 is switched on in Forgejo ([oauth2] ENABLED)");
            };
            document
        }
        Err(trouble) => return Finding::skip(ISSUER, format!("no answer: {}", trouble.reason)),
    };
    // With a slash up to version 11, without one later.
    let said = document.issuer.trim_end_matches('/');
    if said == url && document.authorization_endpoint.starts_with(url) {
        return Finding::ok(ISSUER, format!("Forgejo calls itself {url}, as forgejo-url does"));
    }
    Finding::fail(
        ISSUER,
        format!(
            "Forgejo calls itself {said}, but forgejo-url is {url}: logins would end on pages of the other address"
        ),
        "set forgejo-url to Forgejo's own ROOT_URL ([server] in app.ini), or correct that; the broker's own way there is forgejo-internal-url",
    )
}

async fn login(patient: &Patient) -> Finding {
    let url = patient.config.forgejo.url.as_str();
    let Ok(nonce) = patient.nonce() else { return Finding::skip(LOGIN, "no random number could be had") };
    let page = patient.forgejo.authorize_url(&nonce, &nonce);
    match ask(patient.outbound.client().get(page)).await {
        Ok(answer) if answer.status.is_redirection() => {
            let target = answer.header(header::LOCATION);
            let relative = target.starts_with('/') && !target.starts_with("//");
            if relative || target.starts_with(url) {
                return Finding::ok(LOGIN, "Forgejo sends whom the broker sends there to its login page");
            }
            let seen = format!("{url}/login/oauth/authorize answers {}", answer.in_words());
            Finding::fail(
                LOGIN,
                seen,
                "browsers are sent away from forgejo-url: set it to the address where Forgejo answers itself",
            )
        }
        Ok(answer) if answer.status.is_success() => Finding::ok(LOGIN, "Forgejo's authorize page answers"),
        Ok(answer) => Finding::fail(
            LOGIN,
            format!("{url}/login/oauth/authorize answers {}", answer.in_words()),
            "see whether forgejo-url is Forgejo's ROOT_URL, and whether OAuth2 is switched on there ([oauth2] ENABLED)",
        ),
        Err(trouble) => Finding::warn(
            LOGIN,
            format!("this host does not reach {url}: {}", trouble.reason),
            "harmless if browsers reach it; open it in one",
        ),
    }
}
