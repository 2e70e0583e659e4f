//! Nodes, as far as they decide where members are.

use serde::{Deserialize, Serialize};

/// A node, for members of one cluster.
///
/// ```
/// use endstate_core::{Place, Room};
/// let place = Place::new("node-1", Room::Open).zone(Some("a".into()));
/// assert_eq!(place.room, Room::Open);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Place {
    /// The node's name.
    pub node: String,
    /// The zone it is in; `None` if it does not say.
    pub zone: Option<String>,
    /// Whom it takes.
    pub room: Room,
}

/// Whom a node takes.
///
/// ```
/// assert_ne!(endstate_core::Room::Closed, endstate_core::Room::Emptied);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Room {
    /// New members, as far as is known.
    Open,
    /// Nobody new; who is there stays.
    Closed,
    /// Nobody new, and who is there has to go: somebody cordoned it, or put a taint on it that members do not tolerate.
    Emptied,
}

impl Place {
    /// A node in no zone.
    pub fn new(node: impl Into<String>, room: Room) -> Self {
        Self { node: node.into(), zone: None, room }
    }

    /// The same, in a zone.
    #[must_use]
    pub fn zone(self, zone: Option<String>) -> Self {
        Self { zone, ..self }
    }
}
