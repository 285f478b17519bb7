//! Where clients find out how to log in, and who may ask at all.

mod challenge;
mod cors;
mod documents;
mod hosts;
