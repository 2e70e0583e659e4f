//! What must hold, by the numbers of the house.

use std::fmt;

/// What a world must never do. The numbers are those of the properties of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Property {
    /// S1: no call of the operator takes the quorum away (faults since it looked do not count).
    KeepsQuorum,
    /// S2: the operator stops no second member before the first is back.
    OneDisruption,
    /// S3: no name votes, or leads, on a data directory that it did not fill.
    NoBlankVoter,
    /// S4: no pod of a listed voter is deleted by the operator unless its data is on a claim, and no claim of one.
    KeepsData,
    /// S4: no voter is given up whose data is there and whose process does not crash again and again.
    KeepsWhole,
    /// S4: no call of the operator makes those with good data a minority.
    KeepsGoodData,
    /// S4: no call of the operator gives up what a member holds and no other has.
    KeepsPieces,
    /// S4: no call of the operator takes the last copy of what a group holds, nor the last that is known of a group
    /// whose copies are lost.
    KeepsGroup,
    /// S3: no pod is made to go on with data that is not on all the claims of its member, as far as could be seen.
    StartsWhole,
    /// S1: an operation asks who leads for its step when it has asked all others.
    LeaderLast,
    /// S4: an operation asks nobody for its step who would come to harm by it, such as one that lags.
    NoneBehind,
    /// S5: once a cluster is recorded, nothing starts as `new` but one of its first members for the
    /// first time.
    NoSecondStart,
    /// S5: once a cluster is recorded, its clients find no pod of a start that was abandoned.
    ServesMembers,
    /// S5: what was left behind by a recovery forms no quorum while the recovered cluster serves.
    OneCluster,
    /// S5: a recovery begins by a consent that was not used, and with no quorum seen since it was given.
    ConsentsOnce,
    /// S4: a recovery goes on with no less than any other member is known to have had.
    KeepsWrites,
    /// S4: no member leads, and can acknowledge writes, that lacks one which was acknowledged and is still there.
    KeepsAcknowledged,
    /// S5: no two members that lead can acknowledge writes at once.
    OneLeader,
    /// S8: no two members run by specs that do not work together.
    WorksTogether,
    /// S6: one member at a time is listed without the vote that its role has.
    OneJoin,
    /// S9: no working voter leaves below what is asked for.
    KeepsSize,
    /// S11: Available is claimed with a quorum only, lost data only where a majority's is lost, and that an eviction is
    /// seen to only where it can be.
    HonestStatus,
    /// S7 and the rest of what the linter sees.
    Lint,
    /// Members do not pile up beyond what a state can hold: a guard of the model itself.
    Bounded,
    /// L1: with no further fault the world comes to rest as declared.
    Reconciles,
}

impl crate::Property for Property {
    const RECONCILES: Self = Self::Reconciles;

    fn is_limit(self) -> bool {
        self == Self::Bounded
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepsQuorum => "S1 a call of the operator took the quorum away",
            Self::OneDisruption => "S2 a second member was stopped before the first was back",
            Self::NoBlankVoter => "S3 a voter started on an empty data directory",
            Self::KeepsData => "S4 the data of a listed voter was deleted",
            Self::KeepsWhole => "S4 a voter was given up although its data is whole",
            Self::KeepsGoodData => "S4 those with good data were made a minority",
            Self::KeepsPieces => "S4 what no other member holds was given up",
            Self::KeepsGroup => "S4 the last copy of what a group holds was given up",
            Self::StartsWhole => "S3 a member would go on with a part of its data",
            Self::LeaderLast => "S1 an operation asked who leads before it had asked all others",
            Self::NoneBehind => "S4 an operation asked a member that would come to harm",
            Self::NoSecondStart => "S5 a new cluster was started although one is recorded",
            Self::ServesMembers => "S5 clients find a pod of a start that was abandoned",
            Self::OneCluster => "S5 two clusters of one identity serve at once",
            Self::ConsentsOnce => "S5 a recovery began by an old consent, or by none",
            Self::KeepsWrites => "S4 a recovery lost writes that another member was known to have",
            Self::KeepsAcknowledged => "S4 a leader lacks a write that was acknowledged",
            Self::OneLeader => "S5 two leaders can acknowledge writes at once",
            Self::WorksTogether => "S8 members run that do not work together",
            Self::OneJoin => "S6 two members join at a time",
            Self::KeepsSize => "S9 a working voter was removed below the size asked for",
            Self::HonestStatus => "S11 the status claims what is not so",
            Self::Lint => "the linter refused the plan",
            Self::Bounded => "there are more members than a scenario can hold",
            Self::Reconciles => "ESR the world does not come to rest as declared",
        })
    }
}
