//! What the data of members came to when it was compared, and whose is wrong by it.
//!
//! An application may serve wrong bytes without a word: etcd says that data differs only after a compaction, and then
//! not always whose is wrong. So the data of all voters is digested at one revision, by the members themselves, and who
//! has something else than a majority has what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::MemberId;
use crate::limits::quorum;

/// Data that is corrupt.
///
/// ```
/// use endstate_core::Corruption;
/// assert_ne!(Corruption::Of("a1".into()), Corruption::Undetermined);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Corruption {
    /// That of this member.
    Of(MemberId),
    /// Members differ, and nothing proves whose data is wrong.
    Undetermined,
}

/// The data of the voters at one revision.
///
/// ```
/// use endstate_core::{Comparison, Corruption, Digest};
/// let seen = [("1", 7), ("2", 7), ("3", 8)].map(|(id, hash)| (id, Digest { since: 40, hash }));
/// let compared = Comparison::new(42, ["1", "2", "3"], seen);
/// assert_eq!(compared.corruption(), [Corruption::Of("3".into())].into());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The revision.
    pub revision: u64,
    /// Who voted at that moment.
    pub voters: BTreeSet<MemberId>,
    /// What the data of those came to who could say.
    pub digests: BTreeMap<MemberId, Digest>,
}

/// What a member's data came to: the same for the same data.
///
/// ```
/// let digest = endstate_core::Digest { since: 40, hash: 0x1f };
/// assert_eq!(digest.to_string(), "1f");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The oldest revision whose history is part of it. Only digests with the same one are of the same data.
    pub since: u64,
    /// The digest.
    pub hash: u64,
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.hash)
    }
}

impl Comparison {
    /// The digests that these voters gave at a revision. What others gave does not count.
    pub fn new<I: Into<MemberId>>(
        revision: u64,
        voters: impl IntoIterator<Item = I>,
        digests: impl IntoIterator<Item = (I, Digest)>,
    ) -> Self {
        let voters: BTreeSet<_> = voters.into_iter().map(Into::into).collect();
        let digests = digests.into_iter().map(|(id, it)| (id.into(), it));
        let digests = digests.filter(|(id, _)| voters.contains(id)).collect();
        Self { revision, voters, digests }
    }

    /// Whether all of these have the same data; nothing unless they voted, and all of them said so of the same history.
    ///
    /// ```
    /// use endstate_core::{Comparison, Digest};
    /// let compared = Comparison::new(42, ["1"], [("1", Digest { since: 40, hash: 7 })]);
    /// assert_eq!(compared.is_same(&["1".into()].into()), Some(true));
    /// assert_eq!(compared.is_same(&["1".into(), "2".into()].into()), None);
    /// ```
    pub fn is_same(&self, voters: &BTreeSet<MemberId>) -> Option<bool> {
        let histories: BTreeSet<_> = self.digests.values().map(|it| it.since).collect();
        let hashes: BTreeSet<_> = self.digests.values().map(|it| it.hash).collect();
        let said = self.voters == *voters && self.digests.len() == voters.len();
        (said && histories.len() == 1).then_some(hashes.len() == 1)
    }

    /// What it says of these voters, whoever else voted then.
    pub(crate) fn among(&self, voters: &BTreeSet<MemberId>) -> Self {
        let digests = self.digests.iter().map(|(id, it)| (id.clone(), *it));
        Self::new(self.revision, voters.iter().cloned(), digests)
    }

    /// Whose data is wrong: of who differs from a majority of the voters. Without a majority nobody can say.
    pub fn corruption(&self) -> BTreeSet<Corruption> {
        let comparable = self.comparable();
        let count = |hash: u64| comparable.values().filter(|it| **it == hash).count();
        let Some(most) = comparable.values().copied().max_by_key(|it| count(*it)) else {
            return BTreeSet::new();
        };
        if count(most) == comparable.len() {
            BTreeSet::new()
        } else if count(most) < quorum(self.voters.len()) {
            [Corruption::Undetermined].into()
        } else {
            let wrong = comparable.into_iter().filter(|(_, hash)| *hash != most);
            wrong.map(|(id, _)| Corruption::Of(id.clone())).collect()
        }
    }

    /// Whether without this voter all who said something have the same data, and are a majority of the rest.
    pub(crate) fn agrees_without(&self, voter: &MemberId) -> bool {
        let rest = self.digests.iter().filter(|(id, _)| *id != voter).map(|(_, it)| it);
        let (count, rest): (_, Vec<_>) = (rest.clone().count(), rest.collect());
        let same = rest.windows(2).all(|it| it[0] == it[1]);
        let others = self.voters.iter().filter(|it| *it != voter).count();
        same && count >= quorum(others)
    }

    /// Whether the last of these says something that the one before does not, so that another is due soon.
    ///
    /// ```
    /// use endstate_core::{Comparison, Digest};
    /// let seen = [("1", 7), ("2", 8)].map(|(id, hash)| (id, Digest { since: 40, hash }));
    /// let compared = Comparison::new(42, ["1", "2"], seen);
    /// assert!(Comparison::is_unconfirmed(&[compared.clone()]));
    /// assert!(!Comparison::is_unconfirmed(&[compared.clone(), compared]));
    /// ```
    pub fn is_unconfirmed(comparisons: &[Self]) -> bool {
        let (last, before) = latest(comparisons);
        !last.is_empty() && last != before
    }

    /// Those whose history begins at the same revision as that of most.
    fn comparable(&self) -> BTreeMap<&MemberId, u64> {
        let count = |since: u64| self.digests.values().filter(|it| it.since == since).count();
        let since = self.digests.values().map(|it| it.since).max_by_key(|it| (count(*it), *it));
        let same = self.digests.iter().filter(|(_, it)| Some(it.since) == since);
        same.map(|(id, it)| (id, it.hash)).collect()
    }
}

/// Whose data is wrong by the two latest comparisons, the last one at the end. What the last one alone says proves
/// nothing, since a member may have been at work on its history; but then nobody can say.
pub(crate) fn differing(comparisons: &[Comparison]) -> BTreeSet<Corruption> {
    let (last, before) = latest(comparisons);
    let mut both: BTreeSet<_> = last.intersection(&before).cloned().collect();
    if both != last {
        both.insert(Corruption::Undetermined);
    }
    both
}

/// What the last one says, and the one before it.
fn latest(comparisons: &[Comparison]) -> (BTreeSet<Corruption>, BTreeSet<Corruption>) {
    let mut latest = comparisons.iter().rev().map(Comparison::corruption);
    (latest.next().unwrap_or_default(), latest.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(hashes: &[(&'static str, u64, u64)]) -> Comparison {
        let voters = hashes.iter().map(|it| it.0);
        let digests = hashes.iter().filter(|it| it.2 != 0);
        Comparison::new(
            9,
            voters,
            digests.map(|(id, since, hash)| (*id, Digest { since: *since, hash: *hash })),
        )
    }

    fn of(ids: &[&str]) -> BTreeSet<Corruption> {
        ids.iter().map(|it| Corruption::Of((*it).into())).collect()
    }

    #[test]
    fn who_differs_from_a_majority_of_all_voters_is_wrong_and_else_nobody_can_say() {
        let unknown: BTreeSet<_> = [Corruption::Undetermined].into();
        let cases = [
            (compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 5)]), of(&[])),
            (compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 6)]), of(&["c"])),
            (compared(&[("a", 1, 5), ("b", 1, 6), ("c", 1, 7)]), unknown.clone()),
            (compared(&[("a", 1, 5), ("b", 1, 6)]), unknown.clone()),
            // One of three did not say: two that differ are no majority, whoever is right.
            (compared(&[("a", 1, 5), ("b", 1, 6), ("c", 1, 0)]), unknown.clone()),
            (compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 0)]), of(&[])),
            (
                compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 5), ("d", 1, 6), ("e", 1, 7)]),
                of(&["d", "e"]),
            ),
            (compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 6), ("d", 1, 6), ("e", 1, 7)]), unknown),
            // Another history is not compared.
            (compared(&[("a", 1, 5), ("b", 1, 5), ("c", 2, 6)]), of(&[])),
            (compared(&[("a", 1, 0), ("b", 1, 0)]), of(&[])),
        ];
        for (compared, wrong) in cases {
            assert_eq!(compared.corruption(), wrong, "{compared:?}");
        }
    }

    #[test]
    fn one_comparison_proves_nothing_and_raises_doubt() {
        let good = compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 5)]);
        let bad = compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 6)]);
        let other = compared(&[("a", 1, 5), ("b", 1, 6), ("c", 1, 6)]);
        let doubt: BTreeSet<_> = [Corruption::Undetermined].into();
        let unknown = compared(&[("a", 1, 5), ("b", 1, 6), ("c", 1, 7)]);
        let cases = [
            (vec![bad.clone()], doubt.clone(), true),
            (vec![good.clone(), bad.clone()], doubt.clone(), true),
            (vec![bad.clone(), bad.clone()], of(&["c"]), false),
            (vec![bad.clone(), other], doubt.clone(), true),
            (vec![unknown.clone(), bad.clone()], doubt.clone(), true),
            (vec![bad.clone(), unknown.clone()], doubt.clone(), true),
            (vec![unknown.clone(), unknown], doubt, false),
            (vec![bad.clone(), bad, good.clone()], of(&[]), false),
            (vec![good], of(&[]), false),
        ];
        for (comparisons, wrong, unconfirmed) in cases {
            assert_eq!(differing(&comparisons), wrong, "{comparisons:?}");
            assert_eq!(Comparison::is_unconfirmed(&comparisons), unconfirmed, "{comparisons:?}");
        }
    }

    #[test]
    fn all_are_the_same_only_if_all_said_so() {
        let voters = |ids: &[&str]| ids.iter().map(|it| MemberId::from(*it)).collect();
        let same = compared(&[("a", 1, 5), ("b", 1, 5)]);
        assert_eq!(same.is_same(&voters(&["a", "b"])), Some(true));
        assert_eq!(same.is_same(&voters(&["a", "b", "c"])), None, "one has joined since");
        assert_eq!(same.is_same(&voters(&["a"])), None, "one has left since");
        let of = |hashes| compared(hashes).is_same(&voters(&["a", "b"]));
        assert_eq!(of(&[("a", 1, 5), ("b", 1, 0)]), None);
        assert_eq!(of(&[("a", 1, 5), ("b", 2, 5)]), None, "another history");
        assert_eq!(of(&[("a", 1, 5), ("b", 1, 6)]), Some(false));
    }

    #[test]
    fn who_is_left_has_to_agree_and_be_a_majority_of_the_rest() {
        let three = compared(&[("a", 1, 5), ("b", 1, 6), ("c", 1, 7)]);
        assert!(!three.agrees_without(&"c".into()), "those who are left differ");
        let two = compared(&[("a", 1, 5), ("b", 1, 6)]);
        assert!(two.agrees_without(&"b".into()) && two.agrees_without(&"a".into()));
        let silent = compared(&[("a", 1, 5), ("b", 1, 6), ("c", 1, 0)]);
        assert!(!silent.agrees_without(&"b".into()), "one of two said something");
        assert!(!silent.agrees_without(&"c".into()));
        let even = compared(&[("a", 1, 5), ("b", 1, 5), ("c", 1, 6), ("d", 1, 6)]);
        assert!(!even.agrees_without(&"d".into()));
    }
}
