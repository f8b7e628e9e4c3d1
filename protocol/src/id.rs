//! Names of things. An id is opaque, prints as it is stored, and is minted outside this crate.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a name that people give has 1 to `most` letters, digits, `.`, `-` and `_`: easy to type,
/// and a name everywhere.
pub(crate) fn is_plain(name: &str, most: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=most).contains(&name.len()) && name.bytes().all(is_plain)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a name minted by an [`crate::clock::IdSource`] or read from a store.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }
            /// The name as it is stored and shown.
            pub fn as_str(&self) -> &str {
                &self.0
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
    /// One job: what a user asked for, from submission to its end.
    JobId
}
id! {
    /// One organisation, whose jobs share what it is entitled to.
    TenantId
}
id! {
    /// One table on its way in.
    UploadId
}
id! {
    /// One wish to be told of events.
    SubscriptionId
}
id! {
    /// One boot of one node: host name and a ULID. A restarted node is another incarnation.
    Incarnation
}
