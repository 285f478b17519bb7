//! End to end: the built broker, a Forgejo stand-in, real children, real clients, real bytes.
#![forbid(unsafe_code)]

mod account;
mod chaos;
mod children;
mod client_documents;
mod clients;
mod deploy_files;
mod discovery;
mod doctor;
mod documents;
mod doors;
mod forgejo_app;
mod leaks;
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
