//! Writes history anew: each transaction as it was, so that every key has the revisions that it had.
//!
//! Nothing is asked of a member for it. Requests are appended to the write-ahead log that its data begins with, as
//! committed, and etcd does them when it starts, before anybody leads. So no lease ends in between: those that are
//! there count from when somebody leads. What a member makes of them is looked at then: one that leads to another
//! revision would have written something else.

use std::collections::BTreeSet;
use std::path::PathBuf;

use endstate_archive::Entry;

use crate::error::AgentError;
use crate::full;
use crate::log::{Asks, Log};
use crate::record::{Lease, Revision, What};
use crate::request;
use crate::scratch::{Member, Scratch};

/// How much is written before a member does it: etcd has all of it in memory when it starts.
const ROUND_BYTES: u64 = 64 << 20;

/// How long a lease is granted whose time is not known any more, in seconds.
const UNKNOWN_TTL: i64 = 60;

/// History that is being written anew.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    scratch: Scratch<'a>,
    /// How much higher revisions are than they were.
    raised: u64,
    /// The last revision, as it was.
    at: u64,
    leases: BTreeSet<i64>,
    log: Log,
}

impl<'a> Replay<'a> {
    /// Goes on from the data that was made of a full backup, whose revisions were raised by so many.
    pub(crate) async fn begin(
        scratch: Scratch<'a>,
        full: &Entry,
        raised: u64,
    ) -> Result<Self, AgentError> {
        let at = match full::revision(full) {
            Some(at) => at,
            // It says so itself, and withdraws an alarm that would refuse what follows.
            None => {
                let member = Member::start(&scratch).await?;
                let at = member.revision().await?;
                member.stop().await?;
                at.saturating_sub(raised)
            }
        };
        let (first, last) = (full.kind.last(), full::up_to(full));
        if !(first..=last).contains(&at) {
            return Err(AgentError::Beyond { at, wanted: last });
        }
        let log = Log::open(&log_of(&scratch))?;
        Ok(Self { scratch, raised, at, leases: BTreeSet::new(), log })
    }

    /// The last revision, as it was.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Writes one record. What is there already is passed over; what does not follow on what is there is an error.
    pub(crate) async fn write(&mut self, what: What) -> Result<(), AgentError> {
        match what {
            What::Lease(lease) => self.grant(lease),
            What::Revision(it) if it.revision <= self.at => Ok(()),
            What::Revision(it) if it.revision == self.at + 1 => {
                self.transact(it)?;
                self.make_room().await
            }
            What::Revision(it) => Err(AgentError::Gap { after: self.at, next: it.revision }),
        }
    }

    fn grant(&mut self, lease: Lease) -> Result<(), AgentError> {
        if !self.leases.insert(lease.id) {
            return Ok(());
        }
        let ttl = if lease.ttl > 0 { lease.ttl } else { UNKNOWN_TTL };
        let request = request::grant(self.log.next(), Lease { ttl, ..lease });
        Ok(self.log.append(Asks::Request, request)?)
    }

    fn transact(&mut self, revision: Revision) -> Result<(), AgentError> {
        let leases = revision.writes.iter().map(|it| it.lease).filter(|it| *it != 0);
        for id in leases.collect::<BTreeSet<_>>() {
            self.grant(Lease { id, ttl: 0 })?;
        }
        let at = revision.revision;
        self.log.append(Asks::Request, request::transaction(self.log.next(), revision))?;
        self.at = at;
        Ok(())
    }

    /// Lets a member do what was written, if that is much.
    async fn make_room(&mut self) -> Result<(), AgentError> {
        if self.log.appended() < ROUND_BYTES {
            return Ok(());
        }
        self.apply().await?.stop().await?;
        self.log = Log::open(&log_of(&self.scratch))?;
        Ok(())
    }

    /// A member that has done all that was written, and to which revision that led, as it was.
    pub(crate) async fn finish(mut self) -> Result<(Member, u64), AgentError> {
        Ok((self.apply().await?, self.at))
    }

    /// A member that has done what was written, and is where that leads to.
    async fn apply(&mut self) -> Result<Member, AgentError> {
        if self.log.appended() > 0 {
            // Nobody is elected before a change of members is done, nor before all that comes before it.
            let (id, member) = (self.log.next(), self.log.member());
            let change = request::unchanged(id, member, self.scratch.peer_url);
            self.log.append(Asks::Change, change)?;
            self.log.commit()?;
        }
        let member = Member::start(&self.scratch).await?;
        let (wanted, made) = (self.at, member.revision().await?);
        match made == wanted + self.raised {
            true => Ok(member),
            false => Err(AgentError::Diverged { wanted, made: made.saturating_sub(self.raised) }),
        }
    }
}

/// The folder of a member's log.
fn log_of(scratch: &Scratch<'_>) -> PathBuf {
    match scratch.wal {
        Some(wal) => wal.to_owned(),
        None => scratch.data.join("member").join("wal"),
    }
}
