//! End to end: the built broker, a Forgejo stand-in, real children, real clients, real bytes.
#![forbid(unsafe_code)]

mod account;
mod audit;
mod chaos;
mod children;
mod chosen;
mod client_documents;
mod clients;
mod crosstalk;
mod dashboards;
mod deploy_files;
mod discovery;
mod doctor;
mod documents;
mod doors;
mod entry;
mod forgejo_app;
mod known_clients;
mod leaks;
mod login;
mod mcp;
mod modern;
mod native;
mod operation;
mod outlive;
mod postgres;
mod proxies;
mod rates;
mod recorded;
mod replicas;
mod running;
mod secrets;
mod tokens;
mod tools;
mod upstream;
