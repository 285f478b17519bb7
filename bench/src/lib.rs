//! What the broker costs, beside bridges that do less. `main.rs` is the face of it.
#![forbid(unsafe_code)]

pub mod cost;
pub mod goals;
pub mod http;
pub mod load;
pub mod machine;
pub mod own;
pub mod plot;
pub mod report;
pub mod result;
pub mod rounds;
pub mod soak;
pub mod subject;
pub mod table;
pub mod target;

/// A line of the report on a terminal.
#[expect(clippy::print_stdout, reason = "the report of a program")]
pub fn say(text: &str) {
    println!("{text}");
}
