//! The checklist of the Forgejo reference (§7), item by item, over real HTTP. Test names cite the section.

mod api;
mod authorize;
mod browser;
mod content;
mod data_model;
mod doors;
mod identity;
mod levers;
mod program;
mod token;
mod world;
