//! alice with a token that may do everything she does through an MCP server.

use forgejo_sim::Profile;
use serde_json::Value;

use crate::world::World;

pub(crate) const EVERYTHING: &str = "write:repository write:issue write:organization write:user write:notification";

pub(crate) struct Caller {
    pub(crate) world: World,
    pub(crate) token: String,
}

impl Caller {
    pub(crate) async fn start() -> Self {
        let world = World::start(Profile::V11).await;
        let token = world.tokens("alice", EVERYTHING).await.access;
        Self { world, token }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value, expected: u16) -> Value {
        let body = (!body.is_null()).then_some(body);
        let (status, answer) = self.world.api(method, path, &self.token, body).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {answer}");
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, Value::Null, 200).await
    }
}
