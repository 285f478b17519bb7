//! The tools that do something, grouped by purpose.

mod ask;
mod download;
mod faults;
mod forgejo;
mod notify;
mod plain;
mod raw_request;

use std::future::Future;
use std::pin::Pin;

use serde_json::value::RawValue;

use crate::members::{Kind, Members, text_of};
use crate::options::Options;
use crate::output::Answer;
use crate::server::Fixture;

/// One tools/call on its way.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Members,
    /// The arguments as they were written; `{}` where there are none.
    pub(crate) raw_arguments: String,
    pub(crate) meta: Members,
    /// The request's id as it will be answered.
    pub(crate) id: String,
}

/// A tool and its entry in tools/list.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) run: Run,
}

/// A parameter in a tool's schema: name, JSON type, whether it is required.
pub(crate) struct Parameter(pub(crate) &'static str, pub(crate) &'static str, pub(crate) bool);

/// The end of a call that is going on.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

type Run = for<'a> fn(&'a Fixture, &'a Call) -> Running<'a>;

/// Every tool that these options offer.
pub(crate) fn offered(options: &Options) -> Vec<&'static Tool> {
    let groups = [plain::TOOLS, forgejo::TOOLS, raw_request::TOOLS, ask::TOOLS, notify::TOOLS, faults::TOOLS];
    let downloads = if options.has_downloads() { download::TOOLS } else { &[] };
    groups.into_iter().flatten().chain(downloads).filter(|tool| forgejo::is_in(tool.name, options.habits)).collect()
}

// === impl Call ===

impl Call {
    /// A text argument; numbers and booleans count by their JSON text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let raw = self.arguments.entry(name)?;
        match Kind::of(raw) {
            Kind::Null => None,
            Kind::String => Some(text_of(raw)),
            _ => Some(raw.get().to_owned()),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        serde_json::from_str(self.arguments.entry(name)?.get()).ok()
    }

    /// A boolean argument, false where it is missing.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.arguments.entry(name).is_some_and(|raw| raw.get() == "true")
    }

    /// An argument as JSON text.
    pub(crate) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.arguments.entry(name)
    }
}
