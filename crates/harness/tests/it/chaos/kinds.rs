//! What is done to a cluster: faults, and the operations that they strike into.

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillFollower,
    KillLeader,
    PauseFollower,
    PauseLeader,
    /// Its network, both ways.
    CutFollower,
    CutLeader,
    /// What it sends is lost.
    MuteLeader,
    /// Its network carries 200 kbit/s.
    SlowNetwork,
    /// It runs a quarter of the time.
    SlowProcess,
    /// Its disk has no room, and its process is killed.
    FullDisk,
    /// Its wall clock is hours or months off.
    ClockJump,
    WipeFollower,
    WipeLeader,
    /// The database is cut in half, and the process is killed.
    TruncateData,
    /// A bit of the log is turned, and the process is killed.
    FlipLog,
    /// A value in the database is another, beneath the process.
    FlipData,
    /// It comes back with another address.
    DeletePod,
    /// All come back with other addresses.
    DeleteAllPods,
    DeleteClaim,
    KillOperator,
    ForgetStatus,
}

impl Fault {
    pub(super) const ALL: [Self; 21] = [
        Self::KillFollower,
        Self::KillLeader,
        Self::PauseFollower,
        Self::PauseLeader,
        Self::CutFollower,
        Self::CutLeader,
        Self::MuteLeader,
        Self::SlowNetwork,
        Self::SlowProcess,
        Self::FullDisk,
        Self::ClockJump,
        Self::WipeFollower,
        Self::WipeLeader,
        Self::TruncateData,
        Self::FlipLog,
        Self::FlipData,
        Self::DeletePod,
        Self::DeleteAllPods,
        Self::DeleteClaim,
        Self::KillOperator,
        Self::ForgetStatus,
    ];

    /// How often it is drawn: what takes a minute to be seen seldom is.
    pub(super) fn weight(self) -> usize {
        match self {
            Self::KillFollower | Self::KillLeader => 6,
            Self::FlipData | Self::DeleteAllPods => 1,
            _ => 3,
        }
    }

    /// Whether a member's data is gone or wrong then: of one at a time.
    pub(super) fn loses(self) -> bool {
        matches!(
            self,
            Self::WipeFollower
                | Self::WipeLeader
                | Self::TruncateData
                | Self::FlipLog
                | Self::FlipData
                | Self::DeleteClaim
        )
    }

    /// Whether it needs the rights of root on this machine.
    pub(super) fn needs_root(self) -> bool {
        matches!(
            self,
            Self::CutFollower
                | Self::CutLeader
                | Self::MuteLeader
                | Self::SlowNetwork
                | Self::FullDisk
                | Self::ClockJump
        )
    }

    /// Whether it is of one that leads.
    pub(super) fn is_of_leader(self) -> bool {
        matches!(
            self,
            Self::KillLeader
                | Self::PauseLeader
                | Self::CutLeader
                | Self::MuteLeader
                | Self::WipeLeader
        )
    }

    /// Whether it is of no member.
    pub(super) fn is_beside(self) -> bool {
        matches!(self, Self::KillOperator | Self::ForgetStatus)
    }
}

/// What somebody wants meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Grow,
    Shrink,
    /// Another environment: every member starts anew.
    Roll,
    Upgrade,
    Downgrade,
    Backup,
    /// Into another cluster: what strikes, strikes that.
    Restore,
    /// New certificates of the same authority.
    RenewCertificates,
    /// Another authority: three rolls.
    RotateAuthority,
    Defragment,
    MoveLead,
    ReplaceMember,
}

impl Operation {
    pub(super) const ALL: [Self; 12] = [
        Self::Grow,
        Self::Shrink,
        Self::Roll,
        Self::Upgrade,
        Self::Downgrade,
        Self::Backup,
        Self::Restore,
        Self::RenewCertificates,
        Self::RotateAuthority,
        Self::Defragment,
        Self::MoveLead,
        Self::ReplaceMember,
    ];

    /// Whether a fault may strike into it. Wrong bytes of a member that is to send its data to a new one are spread by
    /// etcd itself, and then more than one member's data is wrong. A cluster that is just being restored has its data
    /// once.
    pub(super) fn allows(self, fault: Fault) -> bool {
        match self {
            Self::Restore => !fault.loses() && fault != Fault::ForgetStatus,
            Self::Grow | Self::ReplaceMember => fault != Fault::FlipData,
            _ => true,
        }
    }
}
