//! Names and identifiers, each with a type of its own so that they cannot be mixed up.
//!
//! All of them are parsed where they enter the program and are plain data afterwards.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// The name of a member, which is also the name of its pod. A name is used once: a member that
    /// replaces another has a new one.
    ///
    /// ```
    /// use endstate_core::MemberName;
    /// let name = MemberName::from("example-x7k2p");
    /// assert_eq!(name.as_str(), "example-x7k2p");
    /// ```
    MemberName
}

text_id! {
    /// The `metadata.uid` of an API object.
    ///
    /// ```
    /// use endstate_core::Uid;
    /// assert_eq!(Uid::from("5f0c").to_string(), "5f0c");
    /// ```
    Uid
}

text_id! {
    /// The `metadata.resourceVersion` of an API object, opaque.
    ///
    /// ```
    /// use endstate_core::ResourceVersion;
    /// assert_ne!(ResourceVersion::from("9"), ResourceVersion::from("10"));
    /// ```
    ResourceVersion
}

text_id! {
    /// The id the application knows a member by: given by the application at the join, or allocated
    /// before the start. Opaque; compared and shown, never computed with.
    ///
    /// ```
    /// use endstate_core::MemberId;
    /// assert_eq!(MemberId::from("8e9e05c52164694d").to_string(), "8e9e05c52164694d");
    /// ```
    MemberId
}

text_id! {
    /// The id of a cluster, given when it was formed. Opaque.
    ///
    /// ```
    /// use endstate_core::ClusterId;
    /// assert_ne!(ClusterId::from("cdf818194e3a8c32"), ClusterId::default());
    /// ```
    ClusterId
}

text_id! {
    /// The name of a role: the part that a set of members plays in a cluster.
    ///
    /// ```
    /// use endstate_core::RoleName;
    /// assert_eq!(RoleName::from("server").as_str(), "server");
    /// ```
    RoleName
}
