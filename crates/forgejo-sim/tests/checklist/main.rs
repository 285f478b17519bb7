//! The checklist of the Forgejo reference (§7), item by item, over real HTTP. Test names cite the section.

#![expect(clippy::unwrap_used, reason = "what fails to unwrap here fails the test")]

mod api;
mod authorize;
mod browser;
mod caller;
mod content;
mod data_model;
mod doors;
mod identity;
mod levers;
mod people;
mod program;
mod token;
mod world;
