//! `fjmcp-broker keys forget`.

use anyhow::anyhow;
use store::Store;
use store::key_ring::KeyId;
use store::sealed::Forgotten;

use super::super::exit::Failure;

pub(super) async fn run(store: &Store, key: KeyId) -> Result<(), Failure> {
    let forgotten = store.forget_key(key).await.map_err(anyhow::Error::new)?;
    let Some(Forgotten { users, sessions, logins }) = forgotten else {
        let why = anyhow!(
            "key {key} is in the key ring, so nothing under it is lost: to take it out of use, seal everything anew with `fjmcp-broker keys \
             rotate` and remove it from the ring then"
        );
        return Err(why.into());
    };
    let outcome =
        format!("{users} users have to log in again; {sessions} sessions and {logins} logins under way are gone");
    super::audit(store, "keys.forgotten", key, outcome.clone()).await?;
    super::super::print(&format!("{outcome}\n"))
}
