//! Where the validator is, without building text until an error needs it.

use std::fmt;

#[derive(Debug, Clone, Copy)]
pub(in crate::schema) enum Path<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Path<'_> {
    /// The text of an error's field; the root has none.
    pub(in crate::schema) fn field(&self) -> String {
        match self {
            Self::Root => "<nil>".to_owned(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Path::Root, name) => write!(f, "{name}"),
            Self::Key(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}
