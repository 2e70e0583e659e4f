//! Who holds a lease, or wants to.

use std::fmt;

/// Someone who may hold a lease. No two may be equal at once.
///
/// ```
/// use endstate::lease::Candidate;
/// let pod = Candidate::Pod { name: "operator-x7k2p".into(), uid: "9b1d".into() };
/// assert_eq!(pod.to_string(), "pod/operator-x7k2p/9b1d");
/// assert_eq!(Candidate::parse("pod/operator-x7k2p/9b1d"), Some(pod));
/// assert_eq!(Candidate::parse("somebody"), Some(Candidate::Other("somebody".into())));
/// assert_eq!(Candidate::parse(""), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A pod in the lease's namespace. Once it is gone nothing restarts its process, so a successor takes over as soon
    /// as a process that still runs must have given up. A container that restarts within its pod is the same candidate,
    /// and goes on at once.
    Pod {
        /// Its name.
        name: String,
        /// Its uid: another pod of the same name is another candidate.
        uid: String,
    },
    /// Anybody else, by a name that nobody else has.
    Other(String),
}

impl Candidate {
    /// Reads what a lease says about its holder. `None` if nobody holds it.
    pub fn parse(holder: &str) -> Option<Self> {
        let pod = holder.strip_prefix("pod/").and_then(|it| it.split_once('/'));
        match pod {
            Some((name, uid)) => Some(Self::Pod { name: name.to_owned(), uid: uid.to_owned() }),
            None if holder.is_empty() => None,
            None => Some(Self::Other(holder.to_owned())),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { name, uid } => write!(f, "pod/{name}/{uid}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}
