//! How the node asks a member whether it lives, and whether it serves.

use serde::{Deserialize, Serialize};

/// One question of the node's.
///
/// ```
/// use endstate_core::Probe;
/// assert_ne!(Probe::opens("client"), Probe::http("metrics", "/health"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// Whether a path at a port, by the port's name, is answered well.
    Http {
        /// The port's name.
        port: String,
        /// The path.
        path: String,
    },
    /// Whether a port, by its name, can be connected to.
    Opens {
        /// The port's name.
        port: String,
    },
    /// Whether the application gives an answer in its own words.
    Asks(Question),
}

impl Probe {
    /// A path at a port.
    pub fn http(port: impl Into<String>, path: impl Into<String>) -> Self {
        Self::Http { port: port.into(), path: path.into() }
    }

    /// An open port.
    pub fn opens(port: impl Into<String>) -> Self {
        Self::Opens { port: port.into() }
    }
}

/// A word that is sent to a port of a member's pod, and a text that the answer must hold: many applications answer a
/// word in plain text, and their images hold no program that could ask. Written `PORT=WORD=TEXT`.
///
/// ```
/// use endstate_core::Question;
/// let question: Question = "2181=srvr=Mode: ".parse().unwrap();
/// assert_eq!(question.to_string(), "2181=srvr=Mode: ");
/// assert!("2181=srvr".parse::<Question>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// Where the application listens.
    pub port: u16,
    /// What it is asked.
    pub word: String,
    /// What is in the answer of an application that serves.
    pub expected: String,
}

impl Question {
    /// This word, to that port, and what the answer of an application that serves has in it.
    pub fn new(port: u16, word: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { port, word: word.into(), expected: expected.into() }
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}={}", self.port, self.word, self.expected)
    }
}

impl std::str::FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (port, rest) = text.split_once('=')?;
            let (word, expected) = rest.split_once('=')?;
            Some(Self { port: port.parse().ok()?, word: word.into(), expected: expected.into() })
        };
        parse().ok_or_else(|| format!("{text:?} is not PORT=WORD=TEXT"))
    }
}

/// What the node asks a member. One that answers `alive` lives, and one that answers `ready` serves. A start may replay
/// a long log or receive all data, so it may take ten minutes.
///
/// ```
/// use endstate_core::{Probe, Probes};
/// assert_ne!(Probes::of(Probe::opens("client"), Probe::http("metrics", "/health")), Probes::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Probes {
    /// When it fails, the container is restarted: it must not depend on other members.
    pub alive: Option<Probe>,
    /// While it fails, clients are sent elsewhere.
    pub ready: Option<Probe>,
}

impl Probes {
    /// A member that lives and serves by these answers.
    pub fn of(alive: Probe, ready: Probe) -> Self {
        Self { alive: Some(alive), ready: Some(ready) }
    }
}
