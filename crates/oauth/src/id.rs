//! Identifiers. Opaque text, compared as a whole, safe to log.

use std::fmt;
use std::sync::Arc;

use crate::random::{NoRandomness, Random};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as shared text, for rooms that know only text.
            #[must_use]
            pub fn to_shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }

            /// A new random id: 128 bits in lower-case hex.
            ///
            /// # Errors
            /// When the random source fails.
            pub fn generate(random: &dyn Random) -> Result<Self, NoRandomness> {
                let mut bytes = [0u8; 16];
                random.fill(&mut bytes)?;
                Ok(Self(hex::encode(bytes).into()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> Self {
                Self(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A Forgejo user as the broker knows him.
    UserId
}
id! {
    /// A grant: one completed authorization of one client by one user.
    GrantId
}
id! {
    /// An OAuth client, by its `client_id`.
    ClientId
}
