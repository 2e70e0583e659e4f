//! What only the application knows.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an application's driver saw beside what every application has: which slots are whose, what a stop would leave
/// without a copy, which features are on. It is carried from the driver to the [`App`](crate::App), and nothing else
/// looks into it.
///
/// ```
/// use endstate_core::Facts;
/// let facts = Facts::of(&("partitions", 12));
/// assert_eq!(facts.read::<(String, u32)>(), Some(("partitions".into(), 12)));
/// assert_eq!(Facts::default().read::<u32>(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(Value);

impl Facts {
    /// Facts of the application's own type.
    pub fn of<T: Serialize>(facts: &T) -> Self {
        Self(serde_json::to_value(facts).expect("facts are a tree with text keys, as JSON is"))
    }

    /// The facts as that type; `None` if there are none, or others.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&self.0).ok()
    }
}
