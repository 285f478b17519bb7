//! Whether the public URL leads to this very process, and by TLS that everybody trusts.

use http::header;

use super::certificate::{self, TLS};
use super::finding::Finding;
use super::listener::Listener;
use super::patient::Patient;
use super::web::{NoAnswer, Trouble, ask};
use crate::examination;

const CHECK: &str = "public-url";

/// What was found, and what others build on.
pub(super) struct PublicUrl {
    pub(super) findings: Vec<Finding>,
    /// Something answers there.
    pub(super) answers: bool,
    /// It is this broker, and says what it saw.
    pub(super) is_ours: bool,
    /// Why what follows can't be judged, if not because of that.
    pub(super) reason: Option<&'static str>,
}

pub(super) async fn examine(patient: &Patient, listener: &Listener) -> PublicUrl {
    let public = &patient.config.http.public_url;
    let nothing = |findings| PublicUrl { findings, answers: false, is_ours: false, reason: None };
    let Ok(proof) = patient.proof() else {
        return nothing(vec![Finding::skip(CHECK, "no proof could be made")]);
    };
    let request = || (public.join(examination::PATH), proof.clone());
    let (url, authorization) = request();
    let answer = match ask(patient.web.get(url).header(header::AUTHORIZATION, authorization)).await {
        Ok(answer) => answer,
        Err(trouble) => return nothing(unreachable(patient, &trouble).await),
    };
    let tls = if public.is_https() {
        certificate::examine(answer.certificate.as_deref(), patient.clock.now())
    } else {
        Finding::skip(TLS, "public-url is plain http on loopback: good for trials on this machine only")
    };
    let (finding, is_ours, reason) = match (answer.seen(), listener.instance()) {
        (Some(seen), Some(instance)) if seen.instance == instance => {
            (Finding::ok(CHECK, format!("{public} leads to this very process")), true, None)
        }
        (Some(seen), _) => {
            let seen = format!(
                "{public} leads to another process of this broker (version {}, revision {}) than {}",
                seen.version, seen.revision, patient.config.http.listen
            );
            let remedy = "look for a second broker or an old container (podman ps -a, ss -ltnp), and at the address to which the proxy sends";
            (Finding::fail(CHECK, seen, remedy), false, None)
        }
        (None, None) if listener.is_whole() => {
            let why = "with ephemeral-key a running broker does not know this examination";
            (Finding::skip(CHECK, format!("{public} answers, but {why}")), false, Some(why))
        }
        (None, _) => {
            let seen = format!("{public} does not lead to this broker: it answers {}", answer.in_words());
            let remedy = format!(
                "let the proxy send {public} to {} with path, query and headers as they are; a redirect means that it answers under another name or scheme",
                patient.config.http.listen
            );
            (Finding::fail(CHECK, seen, remedy), false, None)
        }
    };
    PublicUrl { findings: vec![tls, finding], answers: true, is_ours, reason }
}

async fn unreachable(patient: &Patient, trouble: &NoAnswer) -> Vec<Finding> {
    let public = &patient.config.http.public_url;
    let seen = format!("no answer from {public}: {}", trouble.reason);
    match trouble.kind {
        Trouble::Tls => {
            // With the operator's own authority: then it is not the certificate as such that is wrong.
            let known_here = ask(patient.outbound.client().get(public.origin())).await.is_ok();
            let remedy = if known_here && patient.config.forgejo.extra_ca_file.is_some() {
                "it is good only with extra-ca-file: clients that do not have that authority, every hosted one among them, cannot connect; use a \
                 certificate of a public authority"
            } else {
                "see whether the certificate has expired, names this host, and comes with its intermediates; Caddy fetches one by itself if ports 80 \
                 and 443 are reachable from outside"
            };
            vec![Finding::fail(TLS, seen, remedy), Finding::skip(CHECK, "TLS comes first")]
        }
        Trouble::Name => {
            vec![Finding::fail(CHECK, seen, "make a DNS record for the host of public-url, or correct public-url")]
        }
        Trouble::Refused => {
            let remedy = "start the reverse proxy; in a container or behind NAT the machine may not reach itself by its public address: run the \
                          doctor from elsewhere, or let DNS answer with the inner address inside";
            vec![Finding::fail(CHECK, seen, remedy)]
        }
        Trouble::Other => {
            vec![Finding::fail(
                CHECK,
                seen,
                "see whether the reverse proxy runs and the firewall lets this port through",
            )]
        }
    }
}
