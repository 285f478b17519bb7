//! How an operator meets the program: command line, configuration, start, health, end.

mod commands;
mod configuration;
mod end;
mod health;
mod keys;
mod proxy;
mod requests;
mod start;
