//! How a member's process starts, and whom it is told about.

use serde::{Deserialize, Serialize};

use crate::id::{MemberId, MemberName, RoleName};

/// How a member's process starts.
///
/// ```
/// use endstate_core::{Peer, Start};
/// let peer = Peer::new("example-x7k2p", "http://a:2380", "member").voting(true);
/// let start = Start::Existing { members: vec![peer] };
/// assert_eq!(start.members().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// It helps to form a new cluster of exactly these members, on an empty data directory.
    New {
        /// Unique for this attempt of this object.
        token: String,
        /// All of them, itself included.
        members: Vec<Peer>,
    },
    /// It makes the data of a member that is to form a new cluster alone, and runs nothing: what starts on that data
    /// comes after it.
    Prepare {
        /// That no other attempt has.
        token: String,
        /// Itself alone.
        members: Vec<Peer>,
    },
    /// It joins a cluster that exists, on an empty data directory.
    Existing {
        /// The list of members at this moment, itself included.
        members: Vec<Peer>,
    },
    /// It goes on with the data on its volume, and never without.
    Resume {
        /// The list of members as far as it is known, itself included.
        members: Vec<Peer>,
    },
    /// It goes on with the data on its volume as the only member: the others' data is lost, and a person consented.
    Recover {
        /// Unique for this recovery: it is done once, however often the container starts.
        token: String,
        /// Itself alone.
        members: Vec<Peer>,
    },
}

impl Start {
    /// The members it is told about.
    pub fn members(&self) -> &[Peer] {
        match self {
            Self::New { members, .. }
            | Self::Prepare { members, .. }
            | Self::Existing { members }
            | Self::Resume { members }
            | Self::Recover { members, .. } => members,
        }
    }

    /// Whether it may begin without data.
    pub fn may_be_blank(&self) -> bool {
        matches!(self, Self::New { .. } | Self::Prepare { .. } | Self::Existing { .. })
    }
}

/// A member and where it is found.
///
/// ```
/// let peer = endstate_core::Peer::new("example-x7k2p", "http://a:2380", "member");
/// assert!(peer.address.ends_with(":2380") && !peer.votes);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Peer {
    /// Its name.
    pub name: MemberName,
    /// Its peer address.
    pub address: String,
    /// Its role.
    pub role: RoleName,
    /// Its id, where it is known before the start.
    pub id: Option<MemberId>,
    /// Whether it votes.
    pub votes: bool,
}

impl Peer {
    /// A member without a vote and of unknown id.
    pub fn new(
        name: impl Into<MemberName>,
        address: impl Into<String>,
        role: impl Into<RoleName>,
    ) -> Self {
        let (name, address, role) = (name.into(), address.into(), role.into());
        Self { name, address, role, id: None, votes: false }
    }

    /// The same, with or without a vote.
    #[must_use]
    pub fn voting(self, votes: bool) -> Self {
        Self { votes, ..self }
    }

    /// The same, with an id.
    #[must_use]
    pub fn id(self, id: Option<MemberId>) -> Self {
        Self { id, ..self }
    }
}
