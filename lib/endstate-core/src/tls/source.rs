//! Where certificates come from, and how a cluster that lives gets them from elsewhere.
//!
//! Members believe each other all the time if whoever shows a certificate is believed by everybody who runs. So the way
//! from one source to another has three stages, and everybody is started anew for each: both are trusted; then
//! the new one is shown; then it is trusted alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::certificates::IssuerRef;

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// The operator makes them.
    Managed(Authorities),
    /// The user's secrets.
    Secrets(Given),
    /// One of these takes over from the other, and both are trusted.
    Both {
        /// What the operator makes; that of members is signed, and trusts, what is in the secrets beside.
        managed: Authorities,
        /// The user's secrets.
        given: Given,
        /// Whose certificates members and the operator show.
        shown: Shown,
    },
}

/// Whose certificates are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shown {
    /// Those that the operator makes.
    Managed,
    /// The user's.
    Given,
}

/// A user's secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// That of members.
    pub members: String,
    /// That of the operator, by which it talks to members; empty between members.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// How the files in them are called.
    #[serde(default)]
    pub files: Naming,
    /// By whom cert-manager has certificates signed and put into them, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerRef>,
    /// Which authority is in them, as the user counts. A process reads whom it trusts when it starts, so with another
    /// number members are started anew; that they believe each other meanwhile is for the user to see to.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub authority: u32,
}

impl Default for Given {
    fn default() -> Self {
        let (members, operator) = (String::new(), String::new());
        Self { members, operator, files: Naming::Usual, issuer: None, authority: first() }
    }
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_first(authority: &u32) -> bool {
    *authority == first()
}

impl Given {
    /// Whom members trust by it, for people.
    fn told(&self) -> String {
        let number =
            (self.authority != first()).then(|| format!("authority {} of ", self.authority));
        format!("{}{}", number.unwrap_or_default(), self.members)
    }

    /// The names of the secrets, each as often as it is named.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        [&*self.members, &*self.operator].into_iter().filter(|it| !it.is_empty())
    }

    /// Whether members who are started with these certificates believe those who are started with others.
    pub(super) fn believes(&self, other: &Self) -> bool {
        self.members == other.members && self.issuer == other.issuer
    }
}

/// How the files in a user's secrets are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Naming {
    /// `tls.crt`, `tls.key` and `ca.crt`.
    #[default]
    Usual,
    /// As operators of before had them: `server.crt`, `peer-ca.crt`, and the operator's `APPLICATION-client.key`.
    Historical,
}

/// The authorities of the operator's own, counted from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorities {
    /// Which one signs.
    pub signs: u32,
    /// Which are trusted: more than one while another takes over.
    pub trusted: BTreeSet<u32>,
}

impl Authorities {
    /// This one alone.
    pub fn only(number: u32) -> Self {
        Self { signs: number, trusted: [number].into() }
    }
}

impl Source {
    /// The authorities of the operator's own that somebody trusts.
    pub fn managed(&self) -> Option<&Authorities> {
        match self {
            Self::Managed(managed) | Self::Both { managed, .. } => Some(managed),
            Self::Secrets(_) => None,
        }
    }

    /// The user's secrets of which somebody trusts the authority.
    pub fn given(&self) -> Option<&Given> {
        match self {
            Self::Managed(_) => None,
            Self::Secrets(given) | Self::Both { given, .. } => Some(given),
        }
    }

    /// Whose certificates are shown.
    pub fn shown(&self) -> Shown {
        match self {
            Self::Managed(_) => Shown::Managed,
            Self::Secrets(_) => Shown::Given,
            Self::Both { shown, .. } => *shown,
        }
    }

    /// Whether somebody who runs by this one believes who is started with the certificates of another.
    pub fn believes(&self, other: &Self) -> bool {
        match other.shown() {
            Shown::Managed => {
                let signs = other.managed().map(|it| it.signs);
                self.managed().is_some_and(|it| signs.is_some_and(|by| it.trusted.contains(&by)))
            }
            Shown::Given => match (self.given(), other.given()) {
                (Some(own), Some(others)) => own.believes(others),
                (own, others) => own == others,
            },
        }
    }

    /// Whom members trust by it, for people; nothing where it is the first authority of one.
    pub(super) fn told(&self) -> Option<String> {
        let own = |it: &Authorities| format!("{} of {:?}", it.signs, it.trusted);
        match self {
            Self::Managed(it) => (*it != Authorities::only(1)).then(|| own(it)),
            Self::Secrets(it) => (it.authority != first()).then(|| it.told()),
            Self::Both { managed, given, .. } => {
                Some(format!("{} and {}", own(managed), given.told()))
            }
        }
    }

    fn shows_as(&self, other: &Self) -> bool {
        let signs =
            |it: &Self| it.managed().filter(|_| it.shown() == Shown::Managed).map(|it| it.signs);
        self.shown() == other.shown() && signs(self) == signs(other)
    }

    /// The next on the way from what runs, the one in force first. A process reads whom it trusts when it starts, so
    /// members are started anew for each.
    pub(super) fn toward(running: &[&Self], to: &Self) -> Self {
        let Some(in_force) = running.first() else { return to.clone() };
        let other = |it: &&Given| to.given().is_some_and(|to| !to.believes(it));
        if running.iter().filter_map(|it| it.given()).any(|it| other(&it)) {
            // From one secret to another it goes by what the operator makes.
            let managed = running.iter().find_map(|it| it.managed()).map_or(1, |it| it.signs);
            return Self::toward(running, &Self::Managed(Authorities::only(managed)));
        }
        if !running.iter().all(|it| it.believes(to)) {
            Self::trusting(running, to, in_force)
        } else if running.iter().any(|it| !it.shows_as(to)) {
            Self::trusting(running, to, to)
        } else {
            to.clone()
        }
    }

    /// Everybody is trusted whom somebody who runs shows, or is to show, and the certificates are those of `shown`.
    fn trusting(running: &[&Self], to: &Self, shown: &Self) -> Self {
        let all = || running.iter().copied().chain([to]);
        let trusted = all().filter_map(Self::managed).flat_map(|it| &it.trusted).copied().collect();
        let signs = [shown].into_iter().chain(running.iter().copied()).chain([to]);
        let signs = signs.into_iter().find_map(Self::managed).map(|it| it.signs);
        // As it was declared last.
        let given = [to].into_iter().chain(running.iter().copied()).find_map(Self::given);
        match (signs.map(|signs| Authorities { signs, trusted }), given.cloned()) {
            (Some(managed), Some(given)) => Self::Both { managed, given, shown: shown.shown() },
            (Some(managed), None) => Self::Managed(managed),
            (None, _) => to.clone(),
        }
    }
}
