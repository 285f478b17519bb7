//! Which clients are served, besides those that register.

use std::path::Path;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::build::{redirect_uri, truth};
use super::problem::Fault;
use super::reader::Reader;
use super::settings as s;
use super::{ClientsConfig, ConfiguredClient};

/// Shortest secret, in characters: it must not be guessed over the network.
const MIN_SECRET: usize = 16;

/// Reads the group.
pub(super) fn clients(reader: &mut Reader<'_>) -> Option<ClientsConfig> {
    let metadata_documents = reader.required(&s::CLIENT_METADATA_DOCUMENTS, truth);
    let document_hosts = reader.list(&s::CLIENT_METADATA_DOCUMENT_HOSTS, host);
    let configured = reader.list(&s::CLIENTS, client)?;
    for (index, client) in configured.iter().enumerate() {
        if configured.iter().take(index).any(|other| other.id == client.id) {
            let wrong = format!("the id `{}` is there twice", client.id);
            reader.fault(&s::CLIENTS, Fault::new(wrong, "give each client its own id"));
            return None;
        }
    }
    Some(ClientsConfig { metadata_documents: metadata_documents?, document_hosts: document_hosts?, configured })
}

/// A host name as URLs have it: lower case, punycode.
fn host(text: &str) -> Result<String, Fault> {
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) if !name.ends_with('.') => Ok(name),
        _ => Err(Fault::new(format!("`{text}` is not a host name"), "write a name such as claude.ai")),
    }
}

/// Complaints never quote a value of the table: it may be the secret in the wrong place.
fn client(json: &str) -> Result<ConfiguredClient, Fault> {
    let remedy = "write a table with id, redirect_uris, and optionally name and secret or secret_file";
    let table: Map<String, Value> =
        serde_json::from_str(json).map_err(|_| Fault::new("an entry is not a table (a JSON object)", remedy))?;
    if let Some(key) =
        table.keys().find(|key| !matches!(key.as_str(), "id" | "name" | "redirect_uris" | "secret" | "secret_file"))
    {
        return Err(Fault::new(format!("a client has no key `{key}`"), remedy));
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(Fault::new(format!("`{key}` of a client is empty or not a text"), remedy)),
    };
    let id = text("id")?.ok_or_else(|| Fault::new("a client has no id", remedy))?;
    let in_client = |wrong: &str| format!("client `{id}`: {wrong}");
    if id.len() > 200 || !id.bytes().all(|byte| byte.is_ascii_graphic()) || id.starts_with("https://") {
        let wrong =
            "an id has at most 200 printable ASCII characters, no white space, and does not begin with https://";
        return Err(Fault::new(in_client(wrong), "choose a plain id such as my-client"));
    }
    let redirect_uris = match table.get("redirect_uris") {
        Some(Value::Array(uris)) if !uris.is_empty() => {
            uris.iter().map(|uri| redirect_uri(uri.as_str().unwrap_or_default())).collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err(Fault::new(in_client("redirect_uris is missing, empty or not a list"), remedy)),
    };
    let secret = match (text("secret")?, text("secret_file")?) {
        (None, None) => None,
        (Some(secret), None) => Some(secret.to_owned()),
        (None, Some(path)) => {
            let secret = std::fs::read_to_string(Path::new(path)).map_err(|error| {
                Fault::new(
                    in_client(&format!("cannot read {path}: {error}")),
                    "name a readable file that holds the secret",
                )
            })?;
            Some(secret.trim_end_matches(['\r', '\n']).to_owned())
        }
        (Some(_), Some(_)) => {
            return Err(Fault::new(in_client("secret and secret_file are both set"), "keep one of the two"));
        }
    };
    if secret.as_ref().is_some_and(|secret| secret.chars().count() < MIN_SECRET) {
        let remedy = "choose a random one, such as `openssl rand -hex 32` gives";
        return Err(Fault::new(in_client(&format!("the secret has fewer than {MIN_SECRET} characters")), remedy));
    }
    Ok(ConfiguredClient {
        id: id.to_owned(),
        name: text("name")?.map(str::to_owned),
        redirect_uris,
        secret: secret.map(SecretString::from),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    fn wrong(table: &Value) -> String {
        client(&table.to_string()).unwrap_err().wrong
    }

    #[test]
    fn a_client_is_public_or_has_its_secret_from_the_table_or_a_file() {
        let mut table = json!({"id": "c", "name": "C", "redirect_uris": ["https://c.example/cb", "cursor://x/cb"]});
        assert!(client(&table.to_string()).unwrap().secret.is_none());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        table["secret_file"] = json!(path);
        let read = client(&table.to_string()).unwrap().secret.unwrap();
        assert_eq!(read.expose_secret(), "0123456789abcdef");
        table["secret"] = json!("0123456789abcdef");
        assert!(wrong(&table).contains("both set"));
    }

    #[test]
    fn what_is_no_client_is_told_without_its_values() {
        let good = json!({"id": "c", "redirect_uris": ["https://c.example/cb"], "secret": "0123456789abcdef"});
        let with = |key: &str, value: Value| {
            let mut table = good.clone();
            table[key] = value;
            wrong(&table)
        };
        assert!(with("id", json!("https://c.example/c")).contains("does not begin with https://"));
        assert!(with("id", json!("a b")).contains("white space"));
        assert!(with("redirect_uris", json!([])).contains("redirect_uris"));
        assert!(with("redirect_uris", json!(["http://c.example/cb"])).contains("use https"));
        assert!(with("secret", json!("short")).contains("fewer than 16"));
        assert!(!with("secret", json!("short")).contains("short\""));
        assert!(!with("secret", json!(123_456)).contains("123456"));
        assert!(with("scopes", json!("x")).contains("no key `scopes`"));
        assert_eq!(client("x").unwrap_err().wrong, "an entry is not a table (a JSON object)");
    }

    #[test]
    fn hosts_are_names_in_their_canonical_form() {
        assert_eq!(host("Claude.AI"), Ok("claude.ai".to_owned()));
        for bad in ["https://claude.ai", "127.0.0.1", "claude.ai:443", "", "claude.ai."] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
