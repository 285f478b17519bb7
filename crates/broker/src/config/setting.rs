//! What a setting is: the one description from which flag, variable, file key, help and reference are made.

/// One setting. All of them are in [`super::settings`].
#[derive(Debug)]
pub(crate) struct Setting {
    /// Name in the configuration file; the flag is `--NAME`, the variable `FJMCP_BROKER_NAME` in capitals.
    pub(crate) name: &'static str,
    /// Heading under which the reference lists it.
    pub(crate) group: &'static str,
    /// How many values it takes.
    pub(crate) shape: Shape,
    /// What must not be shown.
    pub(crate) secrecy: Secrecy,
    /// Stands for the value in help texts.
    pub(crate) placeholder: &'static str,
    /// What holds if nobody says anything.
    pub(crate) default: Fallback,
    /// What it does, in one or two sentences.
    pub(crate) doc: &'static str,
    /// Whether a reload (SIGHUP) makes a change of it take effect; the others need a restart.
    pub(crate) live: bool,
}

/// How many values a setting takes, and how a list is written in a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value.
    One,
    /// A list; commas separate its items in a flag or a variable.
    Commas,
    /// A list; a flag gives one item, white space separates items in a variable.
    Words,
    /// True or false; the flag takes no value.
    Switch,
    /// A list of tables in the file; elsewhere JSON: a flag gives one object, a variable an array of them.
    Tables,
}

/// What must not be shown of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Everything may be shown.
    Open,
    /// Nothing may be shown. The value can also come from a file.
    Secret,
    /// A URL whose user and password may not be shown. The value can also come from a file.
    Url,
    /// `NAME=VALUE` items whose values may not be shown. They can also come from a file.
    Values,
    /// Tables whose member `secret` may not be shown. They can also come from a file.
    Members,
}

/// What holds if nobody sets a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Nothing can: it must be set.
    Required,
    /// The setting stays unset, which means what the text says.
    Unset(&'static str),
    /// This value.
    Value(&'static str),
    /// Worked out from other settings, as the text says.
    Computed(&'static str),
}

// === impl Setting ===

impl Setting {
    pub(super) const fn one(
        name: &'static str,
        placeholder: &'static str,
        default: Fallback,
        doc: &'static str,
    ) -> Self {
        Self { name, group: "", shape: Shape::One, secrecy: Secrecy::Open, placeholder, default, doc, live: false }
    }

    pub(super) const fn list(
        name: &'static str,
        placeholder: &'static str,
        default: Fallback,
        doc: &'static str,
    ) -> Self {
        Self { shape: Shape::Commas, ..Self::one(name, placeholder, default, doc) }
    }

    pub(super) const fn words(
        name: &'static str,
        placeholder: &'static str,
        default: Fallback,
        doc: &'static str,
    ) -> Self {
        Self { shape: Shape::Words, ..Self::one(name, placeholder, default, doc) }
    }

    pub(super) const fn switch(name: &'static str, doc: &'static str) -> Self {
        Self { shape: Shape::Switch, ..Self::one(name, "", Fallback::Value("false"), doc) }
    }

    pub(super) const fn tables(
        name: &'static str,
        placeholder: &'static str,
        default: Fallback,
        doc: &'static str,
    ) -> Self {
        Self { shape: Shape::Tables, secrecy: Secrecy::Members, ..Self::one(name, placeholder, default, doc) }
    }

    pub(super) const fn secrecy(self, secrecy: Secrecy) -> Self {
        Self { secrecy, ..self }
    }

    pub(super) const fn live(self) -> Self {
        Self { live: true, ..self }
    }

    pub(super) const fn group(self, group: &'static str) -> Self {
        Self { group, ..self }
    }

    /// Whether the value may also be named by a file (`--NAME-file`, `…_FILE`, `NAME-file`).
    pub(crate) const fn may_come_from_file(&self) -> bool {
        !matches!(self.secrecy, Secrecy::Open)
    }

    /// The variable that sets it.
    pub(crate) fn variable(&self) -> String {
        variable(self.name)
    }

    /// Flag and file key of the variant that names a file.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-file", self.name)
    }

    /// Whether it takes several values.
    pub(crate) const fn is_list(&self) -> bool {
        matches!(self.shape, Shape::Commas | Shape::Words | Shape::Tables)
    }

    /// What `--help` and the reference say holds by default.
    pub(crate) fn default_text(&self) -> String {
        match self.default {
            Fallback::Required => "required".to_owned(),
            Fallback::Unset(text) | Fallback::Computed(text) | Fallback::Value(text) => text.to_owned(),
        }
    }
}

/// The variable that belongs to a flag or file key.
pub(crate) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('-', "_").to_uppercase())
}

/// What all our variables begin with.
pub(crate) const PREFIX: &str = "FJMCP_BROKER_";
