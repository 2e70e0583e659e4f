//! Names and identifiers, each with a type of its own so that they cannot be mixed up.
//!
//! All of them are parsed where they enter the program and are plain data afterwards.

use std::{borrow::Borrow, fmt, ops::Deref, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::Error as _};

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

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u64::from_str_radix(text, 16).map(Self)
            }
        }

        // JSON numbers lose digits beyond 2^53 in many clients, so an id travels as text.
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = String::deserialize(input)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{1,16}$" })
            }
        }
    };
}

number_id! {
    /// The id the application gave to a member. Written in hexadecimal, as etcd does.
    ///
    /// ```
    /// use endstate_core::MemberId;
    /// let id: MemberId = "8e9e05c52164694d".parse().unwrap();
    /// assert_eq!(id.to_string(), "8e9e05c52164694d");
    /// ```
    MemberId
}

number_id! {
    /// The id the application gave to the cluster when it was formed.
    ///
    /// ```
    /// use endstate_core::ClusterId;
    /// assert_eq!(ClusterId(255).to_string(), "ff");
    /// ```
    ClusterId
}
