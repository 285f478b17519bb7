//! `admin stats`.

use anyhow::Result;
use serde_json::{Map, Value};
use store::administration::Administration;

use super::Output;

pub(super) async fn run(admin: &Administration) -> Result<Output> {
    let statistics = admin.statistics().await?;
    let mut object = Map::new();
    for (what, count) in statistics.rows {
        object.insert(what.replace(' ', "_"), count.into());
    }
    object.insert("schema".to_owned(), statistics.schema.into());
    object.insert("bytes".to_owned(), statistics.bytes.into());
    object.insert("free_bytes".to_owned(), statistics.free_bytes.into());
    Ok(Output::One(Value::Object(object)))
}
