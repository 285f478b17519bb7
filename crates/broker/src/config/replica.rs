//! Other brokers on the same store.

use std::time::Duration;

use store::Database;

use super::build::{listen, within};
use super::problem::Fault;
use super::reader::Reader;
use super::settings as s;
use super::{Keys, ReplicaConfig, ReplicaLink, StoreConfig};

/// A problem was told.
pub(super) struct Faulty;

pub(super) fn replica(reader: &mut Reader<'_>, store: Option<&StoreConfig>) -> Result<Option<ReplicaConfig>, Faulty> {
    let listen = reader.optional(&s::REPLICA_LISTEN, listen);
    let advertise = reader.optional(&s::REPLICA_ADVERTISE, host_and_port);
    let lease = reader.required(&s::REPLICA_LEASE, within(Duration::from_secs(2)..=Duration::from_mins(2)));
    let (Ok(listen), Ok(advertise), Some(lease)) = (listen, advertise, lease) else { return Err(Faulty) };
    let Some(store) = store else { return Err(Faulty) };
    let shared = matches!(store.database, Database::Postgres(_));
    let Some(listen) = listen else {
        if advertise.is_some() {
            reader.fault(&s::REPLICA_ADVERTISE, Fault::new("replica-listen is not set", "set it, or leave this out"));
            return Err(Faulty);
        }
        return Ok(shared.then_some(ReplicaConfig { lease, link: None }));
    };
    if !shared {
        let remedy = "set database-url to one, or leave this out";
        reader.fault(&s::REPLICA_LISTEN, Fault::new("several brokers can share only a PostgreSQL database", remedy));
        return Err(Faulty);
    }
    if matches!(store.keys, Keys::Ephemeral) {
        let wrong = "ephemeral-key is set, and replicas know each other by keys that they share";
        reader.fault(&s::REPLICA_LISTEN, Fault::new(wrong, "give all replicas the same encryption-keys"));
        return Err(Faulty);
    }
    let advertise = match advertise {
        Some(advertise) => advertise,
        None if listen.ip().is_unspecified() || listen.port() == 0 => {
            let wrong = format!("not set, and replica-listen ({listen}) is no address that others could reach");
            let remedy = "write the host name or address of this replica, with the port";
            reader.fault(&s::REPLICA_ADVERTISE, Fault::new(wrong, remedy));
            return Err(Faulty);
        }
        None => {
            reader.computed.insert(s::REPLICA_ADVERTISE.name, vec![listen.to_string()]);
            listen.to_string()
        }
    };
    Ok(Some(ReplicaConfig { lease, link: Some(ReplicaLink { listen, advertise }) }))
}

/// An address, or a host name, with a port that is not 0.
fn host_and_port(text: &str) -> Result<String, Fault> {
    let parsed = url::Url::parse(&format!("https://{text}/"));
    let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
    let plain = parsed.is_ok_and(|url| {
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
    });
    match port {
        Some(_) if plain && !text.contains(['/', '@']) => Ok(text.to_owned()),
        _ => Err(Fault::new(
            format!("`{text}` is not a host with a port"),
            "write broker-1.brokers:8090, 10.0.0.7:8090 or [fd00::7]:8090",
        )),
    }
}
