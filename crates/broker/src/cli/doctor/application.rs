//! The OAuth2 application in Forgejo: id, secret, redirect URI, confidentiality.
//!
//! All four are judged at the token endpoint, with a code that cannot exist: Forgejo looks at the client id, then at the secret, then at the
//! redirect URI, and only then at the code, and says which it did not like. (Its authorize page says nothing before somebody has logged in.)

use forgejo::oauth_client::{Denial, ExchangeError};

use super::finding::Finding;
use super::patient::Patient;

const CHECK: &str = "forgejo-application";

/// What Forgejo thinks of what we showed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// All is well; only the code is unknown.
    Accepted,
    UnknownClient,
    WrongSecret,
    UnknownRedirectUri,
    /// No answer that says anything.
    Unclear(String),
}

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let callback = config.http.public_url.join("/oauth/callback");
    let id = &config.forgejo.client_id;
    let make = "in Forgejo: Settings → Applications → OAuth2 applications; or `fjmcp-broker forgejo-app create`";
    let finding = match verdict(patient, None).await {
        Verdict::Accepted => return vec![confidentiality(patient, &callback).await],
        Verdict::UnknownClient => Finding::fail(
            CHECK,
            format!("Forgejo knows no application with the client id {id}"),
            format!("set forgejo-oauth-client-id to that of the application made for this broker, or make one {make}"),
        ),
        Verdict::WrongSecret => Finding::fail(
            CHECK,
            format!("Forgejo knows the application {id}, but the client secret is not its"),
            "make a new secret on the application's page in Forgejo (it is shown once) and set forgejo-oauth-client-secret to it, without a line end",
        ),
        Verdict::UnknownRedirectUri => Finding::fail(
            CHECK,
            format!("id and secret are good, but {callback} is not among the redirect URIs of the application"),
            format!("add exactly {callback} to the application in Forgejo, or correct public-url"),
        ),
        Verdict::Unclear(reason) => Finding::fail(
            CHECK,
            format!("Forgejo's token endpoint gives no usable answer: {reason}"),
            "see whether OAuth2 is switched on in Forgejo ([oauth2] ENABLED), and whether a proxy in front of it lets POST through",
        ),
    };
    vec![finding]
}

/// A secret that nobody knows must be refused: otherwise the application is a public one.
async fn confidentiality(patient: &Patient, callback: &str) -> Finding {
    match verdict(patient, patient.nonce().ok()).await {
        Verdict::WrongSecret => Finding::ok(
            CHECK,
            format!("id and secret are good, {callback} is registered, the application is confidential"),
        ),
        Verdict::Accepted => Finding::fail(
            CHECK,
            "the application is public: Forgejo takes any secret for it, and asks the user for consent at every login",
            "edit the application in Forgejo and tick “Confidential client”",
        ),
        _ => Finding::ok(CHECK, format!("id and secret are good, {callback} is registered")),
    }
}

async fn verdict(patient: &Patient, other_secret: Option<String>) -> Verdict {
    let client = match other_secret {
        None => Ok(patient.forgejo.clone()),
        Some(secret) => patient.forgejo_with_secret(secret),
    };
    let (Ok(client), Ok(code)) = (client, patient.nonce()) else {
        return Verdict::Unclear("it could not be asked".to_owned());
    };
    match client.exchange(&code, &code).await {
        Ok(_) => Verdict::Unclear("it accepted a code that nobody issued".to_owned()),
        Err(ExchangeError::ClientRejected(denial) | ExchangeError::Refused(denial)) => judge(&denial),
        Err(ExchangeError::Unreachable(reason)) => Verdict::Unclear(reason.to_string()),
    }
}

fn judge(denial: &Denial) -> Verdict {
    let said = |text: &str| denial.description.to_lowercase().contains(text);
    if said("client secret") {
        Verdict::WrongSecret
    } else if said("redirect") {
        Verdict::UnknownRedirectUri
    } else if denial.error == "invalid_client" {
        Verdict::UnknownClient
    } else if matches!(denial.error.as_str(), "unauthorized_client" | "invalid_grant") {
        Verdict::Accepted
    } else {
        Verdict::Unclear(denial.to_string())
    }
}
