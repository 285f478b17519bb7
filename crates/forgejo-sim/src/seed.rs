//! What is in a stand-in at its start.

use crate::{levers::NewUser, model::credential::App, sim::RunningSim};

/// Forgejo's built-in public applications (`DEFAULT_APPLICATIONS`).
const BUILT_IN: [(&str, &str); 3] = [
    ("git-credential-oauth", "a4792ccc-144e-407e-86c9-5e7d8d9c3269"),
    ("Git Credential Manager", "e90ee53c-94e2-48ac-9358-a874fb9e0662"),
    ("tea", "d57cb8c4-630c-4168-8324-ec79935e18d4"),
];

/// Accounts of the demo data: login, password, whether a site administrator.
pub(crate) const ACCOUNTS: [(&str, &str, bool); 3] =
    [("alice", "alice-password", false), ("bob", "bob-password", false), ("root", "root-password", true)];

pub(crate) fn built_in_applications(sim: &RunningSim) {
    let mut state = sim.site.state.lock();
    for (name, client_id) in BUILT_IN {
        let id = state.next_id("application");
        let app = App {
            id,
            owner: None,
            name: name.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: String::new(),
            confidential: false,
            redirect_uris: vec!["http://127.0.0.1".to_owned(), "https://127.0.0.1".to_owned()],
            created: 0,
        };
        state.credentials.apps.insert(id, app);
    }
}

/// Users alice, bob and root, the organisation acme, repositories with something in them.
pub(crate) fn demo(sim: &RunningSim) {
    for (login, password, admin) in ACCOUNTS {
        let mut name = login.to_owned();
        name[..1].make_ascii_uppercase();
        let user = NewUser::new(login, password).full_name(format!("{name} Example"));
        sim.create_user(if admin { user.admin() } else { user });
    }
    hello(sim);
    sim.create_repo("alice", "private-notes", true);
    sim.describe_repo("alice", "private-notes", "For my eyes only", &[]);
    sim.write_file("alice", "private-notes", "main", "notes.md", "# Notes\n\nThe launch is on Thursday.\n");
    sim.create_issue("alice", "private-notes", "alice", "Buy milk", "Two litres.");
    acme(sim);
}

fn hello(sim: &RunningSim) {
    sim.create_repo("alice", "hello", false);
    sim.describe_repo("alice", "hello", "A friendly program", &["demo", "greeting"]);
    let readme = "# hello\n\nA program that says hello.\n\n- build it with `make`\n- run it\n";
    sim.write_file("alice", "hello", "main", "README.md", readme);
    sim.write_file("alice", "hello", "main", "src/main.rs", "fn main() {\n    println!(\"Hello!\");\n}\n");
    sim.write_file("alice", "hello", "main", "docs/usage.md", "# Usage\n\nCall `hello`.\n");
    let first = "It should say whom it greets:\n\n- by name\n- politely";
    let named = sim.create_issue("alice", "hello", "bob", "Greet people by name", first);
    sim.create_issue("alice", "hello", "alice", "Write a manual page", "There is none yet.");
    let typo = sim.create_issue("alice", "hello", "bob", "Typo in the README", "\"Helo\"");
    if let (Some(named), Some(typo)) = (named, typo) {
        sim.comment("alice", "hello", named, "alice", "Good idea, I am on it.");
        sim.comment("alice", "hello", named, "bob", "Thank you!");
        sim.create_label("alice", "hello", "enhancement", "84b6eb", &[named]);
        sim.create_label("alice", "hello", "bug", "ee0701", &[typo]);
        sim.close_issue("alice", "hello", typo);
        sim.attach_to_issue("alice", "hello", named, "sketch.txt", "Hello, NAME!\n");
    }
    let greeting = "fn main() {\n    let name = std::env::args().nth(1).unwrap_or(\"world\".into());\n    println!(\"Hello, {name}!\");\n}\n";
    sim.write_file("alice", "hello", "greet-by-name", "src/main.rs", greeting);
    sim.create_pull("alice", "hello", "alice", "Greet people by name", ("greet-by-name", "main"));
    if let Some(release) = sim.create_release("alice", "hello", "alice", "v1.0.0", "First release") {
        sim.add_release_asset("alice", "hello", release, "hello.txt", "Hello!\n");
    }
}

fn acme(sim: &RunningSim) {
    sim.create_org("acme", "alice");
    sim.add_team_member("acme", "Developers", "bob");
    sim.create_repo("acme", "rocket", false);
    sim.describe_repo("acme", "rocket", "Skates with engines", &["rocket"]);
    sim.write_file("acme", "rocket", "main", "src/engine.py", "def ignite():\n    return \"whoosh\"\n");
    sim.create_issue("acme", "rocket", "bob", "Engine does not stop", "Seen on the east canyon road.");
    sim.write_file("acme", "rocket", "brakes", "src/brakes.py", "def brake():\n    return \"screech\"\n");
    sim.create_pull("acme", "rocket", "bob", "Add brakes", ("brakes", "main"));
    sim.create_release("acme", "rocket", "alice", "v0.1.0", "Prototype");
    sim.create_repo("acme", "plans", true);
}
