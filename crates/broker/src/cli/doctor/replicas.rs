//! The other brokers on the same database: whether they can be reached from here, know the key ring, and agree with the database's clock.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use store::examine::{Neighbourhood, neighbourhood};
use store::replicas::LiveReplica;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::finding::Finding;
use super::patient::Patient;
use crate::replica::{Identity, host_of};

const REPLICAS: &str = "replicas";
const CLOCK: &str = "database-clock";
const PATIENCE: Duration = Duration::from_secs(5);
/// Beyond this, codes and tokens are taken for expired, or live on.
const FAR_MS: u64 = 10_000;

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let skip = |why: &str| vec![Finding::skip(CLOCK, why), Finding::skip(REPLICAS, why)];
    let Some(replica) = &patient.config.replica else {
        // A broker on a file is alone.
        return Vec::new();
    };
    let seen = match neighbourhood(&patient.config.store.database).await {
        Ok(Some(seen)) => seen,
        Ok(None) => return skip("the database has no schema for replicas yet; the broker brings it at its start"),
        Err(_) => return skip("the database cannot be asked (see store)"),
    };
    let mut findings = vec![clock(patient, &seen)];
    if replica.link.is_none() {
        let others = seen.live.len();
        let text =
            format!("{others} broker(s) hold a lease; replica-listen is not set, so this one cannot pass requests on");
        findings.push(if others > 1 {
            Finding::warn(
                REPLICAS,
                text,
                "set replica-listen and replica-advertise at every broker, or clients of one are refused at another",
            )
        } else {
            Finding::ok(REPLICAS, text)
        });
        return findings;
    }
    findings.push(reach(patient, &seen.live).await);
    findings
}

fn clock(patient: &Patient, seen: &Neighbourhood) -> Finding {
    let behind = patient.clock.now().0.abs_diff(seen.clock);
    let text =
        format!("this machine's clock and the database's are {behind} ms apart; leases go by the database's alone");
    if behind > FAR_MS {
        return Finding::warn(
            CLOCK,
            text,
            "let both synchronise their clocks: expiry of tokens is judged by those of the brokers",
        );
    }
    Finding::ok(CLOCK, text)
}

async fn reach(patient: &Patient, live: &[LiveReplica]) -> Finding {
    if live.is_empty() {
        return Finding::skip(REPLICAS, "no broker holds a lease at the moment, so there is nobody to reach");
    }
    let identity = match Identity::of("doctor", &patient.keys) {
        Ok(identity) => identity,
        Err(error) => {
            return Finding::fail(REPLICAS, error.to_string(), "make another key with `fjmcp-broker keys generate`");
        }
    };
    let tls = TlsConnector::from(Arc::new(identity.client));
    let mut wrong = Vec::new();
    for replica in live {
        let id = &replica.owner.id;
        let Some(address) = &replica.address else {
            wrong.push(format!("{id} has no replica-listen"));
            continue;
        };
        if let Err(reason) = shake_hands(&tls, address, id).await {
            wrong.push(format!("{id} at {address}: {reason}"));
        }
    }
    if wrong.is_empty() {
        return Finding::ok(
            REPLICAS,
            format!("{} broker(s) hold a lease; each answers from here and has our key ring", live.len()),
        );
    }
    let remedy = "replica-advertise has to be an address at which the others reach replica-listen (network policy, firewall); all brokers need \
                  the same encryption-keys; one that was killed is listed until its lease is over";
    Finding::fail(REPLICAS, wrong.join("; "), remedy)
}

async fn shake_hands(tls: &TlsConnector, address: &str, id: &str) -> Result<(), String> {
    let name = ServerName::try_from(host_of(id)).map_err(|error| error.to_string())?;
    let attempt = async {
        let stream = TcpStream::connect(address).await?;
        tls.connect(name, stream).await
    };
    match timeout(PATIENCE, attempt).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
