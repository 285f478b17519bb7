//! End to end: the built broker, a Forgejo stand-in, real children, real clients, real bytes.
#![forbid(unsafe_code)]

mod children;
mod client_documents;
mod clients;
mod discovery;
mod doctor;
mod documents;
mod doors;
mod login;
mod mcp;
mod modern;
mod native;
mod operation;
mod outlive;
mod proxies;
mod recorded;
mod running;
mod secrets;
mod tokens;
mod upstream;
