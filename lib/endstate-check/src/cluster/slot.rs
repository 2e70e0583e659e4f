//! Everything about one member, as bits.

use super::bits::*;
use super::request::Request;

/// How a pod tells its process to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartKind {
    /// It helps to form a new cluster, on an empty data directory.
    New,
    /// It joins a cluster that exists, on an empty data directory.
    Existing,
    /// It goes on with the data on its volume, and never without.
    Resume,
    /// It goes on with the data on its volume as the only member.
    Recover,
}

impl StartKind {
    /// From how a pod is made.
    pub(crate) fn of(made: u8) -> Self {
        match made & START {
            0 => Self::New,
            1 => Self::Existing,
            2 => Self::Resume,
            _ => Self::Recover,
        }
    }
}

/// Everything about one member name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    pub(crate) pod: u8,
    pub(crate) made: u8,
    /// What else the API shows of it.
    pub(crate) also: u8,
    pub(crate) process: u8,
    pub(crate) disk: u8,
    pub(crate) list: u8,
    pub(crate) record: u8,
    /// Why it leaves, as a number.
    pub(crate) reason: u8,
    /// The role, and the group within it.
    pub(crate) role: u8,
    /// How far it was when the status was last written, and what the application was asked for about it.
    pub(crate) row: u8,
    pub(crate) cached_row: u8,
    pub(crate) cached_pod: u8,
    pub(crate) cached_made: u8,
    pub(crate) cached_also: u8,
    pub(crate) cached_record: u8,
    pub(crate) cached_reason: u8,
    /// What is wrong with it, and what the world keeps in mind.
    pub(crate) ills: u8,
    /// What a late call that is about it depends on.
    pub(crate) late: u8,
    /// Which slot of the plan under way this is, from 1; 0 for none.
    pub(crate) plan: u8,
    /// An operation's step about it.
    pub(crate) task: u8,
    /// The application model's own. It lives as long as the volume does.
    pub(crate) own: u8,
    /// For people: members in order of appearance.
    pub(crate) tag: u8,
}

/// What a model of an application reads.
impl Slot {
    /// For scripts: members in order of appearance.
    pub fn tag(&self) -> u8 {
        self.tag
    }

    /// The role, in the order of the topology.
    pub fn role(&self) -> usize {
        (self.role & ROLE).into()
    }

    /// The group within the role.
    pub fn group(&self) -> usize {
        group(self.role).into()
    }

    /// Whether it is of the same group of the same role.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.role & (ROLE | GROUP) == other.role & (ROLE | GROUP)
    }

    /// Which of the specs its pod was made from.
    pub fn rev(&self) -> u8 {
        match self.pod & REV {
            _ if self.also & THIRD != 0 => 2,
            0 => 0,
            _ => 1,
        }
    }

    /// Whether its process runs.
    pub fn runs(&self) -> bool {
        self.process & RUN != 0
    }

    /// Whether its peers and it do not reach each other.
    pub fn is_cut(&self) -> bool {
        self.ills & CUT != 0
    }

    /// Whether the operator does not reach it.
    pub fn is_away(&self) -> bool {
        self.ills & AWAY != 0
    }

    /// Whether its pod is on a node that is lost.
    pub fn is_on_lost_node(&self) -> bool {
        self.pod & NODE_LOST != 0
    }

    /// Whether it runs on data, together with its peers.
    pub fn works(&self) -> bool {
        self.runs() && self.has_data() && !self.is_cut()
    }

    /// Whether there is data on its volume.
    pub fn has_data(&self) -> bool {
        self.disk & (DATA | UNMOUNTED) == DATA
    }

    /// How many of the writes that the scenario makes it has.
    pub fn log(&self) -> u8 {
        (self.disk & LOG) >> LOG_SHIFT
    }

    /// Whether it knows the list from before a recovery from another member: it follows nobody.
    pub fn is_left_behind(&self) -> bool {
        self.list & LEFT_BEHIND != 0
    }

    /// Whether the recovery that its pod is for was carried out: that happens once.
    pub fn is_recovered(&self) -> bool {
        self.disk & RECOVERED != 0
    }

    /// Whether it has all that was committed.
    pub fn is_caught_up(&self) -> bool {
        self.disk & CAUGHT != 0
    }

    /// Whether an alarm says that its data is corrupt.
    pub(crate) fn is_accused(&self) -> bool {
        self.disk & (CORRUPT | UNNAMED) == CORRUPT
    }

    /// Whether its data is corrupt.
    pub fn is_corrupt(&self) -> bool {
        self.disk & CORRUPT != 0
    }

    /// Whether it has been connected for as long as the application asks for before it counts on a member.
    pub fn is_settled(&self) -> bool {
        self.process & FRESH == 0
    }

    /// How its pod tells its process to start.
    pub fn start(&self) -> StartKind {
        StartKind::of(self.made)
    }

    /// Whether its pod was told of a list of members that is not the present one.
    pub fn was_told_old_list(&self) -> bool {
        self.process & OLD_LIST != 0
    }

    /// Whether it is one of the first members of the start under way.
    pub fn is_first(&self) -> bool {
        self.list & FIRST_START != 0
    }

    /// Whether it is on the list, with a vote.
    pub fn votes(&self) -> bool {
        self.list & VOTER != 0
    }

    /// Whether it is on the list, without a vote.
    pub fn is_non_voter(&self) -> bool {
        self.list & NON_VOTER != 0
    }

    /// Whether it is on the list.
    pub fn is_listed(&self) -> bool {
        self.list & (VOTER | NON_VOTER) != 0
    }

    /// Whether it leads, or did when it was last connected.
    pub fn leads(&self) -> bool {
        self.list & LEADER != 0
    }

    /// What the model keeps in mind of it. It is forgotten with the member.
    pub fn own(&self) -> u8 {
        self.own
    }

    /// Whether the application is at work on a drain of it.
    pub fn is_draining(&self) -> bool {
        self.list & DRAINS != 0
    }

    /// Which of its own steps the application is at work on about it.
    pub fn own_step(&self) -> Option<u8> {
        (self.list >> OWN_STEP_SHIFT).checked_sub(1)
    }
}

/// What a model of an application writes.
impl Slot {
    /// It is on the list, without a vote.
    pub fn list(&mut self) {
        self.list = (self.list & !VOTER) | NON_VOTER;
    }

    /// It is on the list, with a vote.
    pub fn give_vote(&mut self) {
        self.list = (self.list & !NON_VOTER) | VOTER;
    }

    /// It is not on the list any more, and does not lead; the application is at work on nothing about it.
    pub fn unlist(&mut self) {
        self.list &= !(VOTER | NON_VOTER | LEADER | WORK);
    }

    /// It has data, and all that was committed.
    pub fn fill(&mut self) {
        self.disk |= DATA | CAUGHT;
    }

    /// It has what another has, its corruption included.
    pub fn copy(&mut self, from: &Self) {
        self.disk &= !(LOG | UNMOUNTED);
        self.disk |= DATA | CAUGHT | from.disk & (CORRUPT | UNNAMED | LOG);
    }

    /// It leads, or does not any more, whoever else does.
    pub fn set_lead(&mut self, leads: bool) {
        self.list = self.list & !LEADER | if leads { LEADER } else { 0 };
    }

    /// It has so many of the writes that the scenario makes, and with them all that was committed, or not.
    pub fn write(&mut self, log: u8, is_caught_up: bool) {
        self.set_log(log);
        self.disk = self.disk & !CAUGHT | if is_caught_up { CAUGHT } else { 0 };
    }

    /// It has been connected for long enough.
    pub fn settle(&mut self) {
        self.process &= !FRESH;
    }

    /// Keeps something in mind of it.
    pub fn set_own(&mut self, own: u8) {
        self.own = own;
    }

    /// The drain of it is over.
    pub fn end_drain(&mut self) {
        self.list &= !DRAINS;
    }

    /// The application's own step about it is over.
    pub fn end_own_step(&mut self) {
        self.list &= !OWN_STEP;
    }

    /// Its process ends, because the operator asked for a step that does that, and is started again.
    pub fn restart(&mut self) {
        self.stop();
        self.process |= VOLUNTARY;
        self.touch();
    }
}

/// What the world reads and writes.
impl Slot {
    pub(crate) fn exists(&self) -> bool {
        self.pod & EXISTS != 0
    }

    /// The claims that it has, those that are going included.
    pub(crate) fn claims(&self) -> u8 {
        self.made & CLAIMS
    }

    /// Those of them that go as soon as no pod uses them.
    pub(crate) fn claims_going(&self) -> u8 {
        let first = if self.made & CLAIM_DELETING != 0 { CLAIM } else { 0 };
        first | if self.also & SECOND_DELETING != 0 { SECOND } else { 0 }
    }

    /// Whether its data outlives its pod: each of its directories is on a claim that is there to stay.
    pub(crate) fn is_durable(&self) -> bool {
        let needed = if self.also & PAIR != 0 { CLAIMS } else { CLAIM };
        self.claims() & !self.claims_going() & needed == needed
    }

    /// Whether somebody asks that its pod goes.
    pub(crate) fn is_asked_to_go(&self) -> bool {
        self.also & EVICTING != 0
    }

    /// The operator says that it is at work on that. To whom took the request back it says nothing.
    pub(crate) fn answer(&mut self) {
        self.set_also(self.also | if self.is_asked_to_go() { ANSWERED } else { 0 });
    }

    /// It gets these claims, unless it has them. Those of a pair say so.
    pub(crate) fn get_claims(&mut self, claims: u8, are_pairs: bool) {
        self.set_made(self.made | claims);
        self.set_also(self.also | if are_pairs && self.claims() != 0 { PAIR } else { 0 });
    }

    /// A claim of it is deleted: it goes at once, or when no pod uses it any more.
    pub(crate) fn delete_claim(&mut self, which: u8, now: bool) {
        match which {
            CLAIM => self.set_made(self.made | CLAIM_DELETING),
            _ => self.set_also(self.also | SECOND_DELETING),
        }
        if now {
            self.end_claims();
        }
    }

    /// It works, and nobody has asked for its end.
    pub(crate) fn stays(&self) -> bool {
        self.works() && self.process & VOLUNTARY == 0
    }

    /// Whether its data can still come back by itself.
    pub(crate) fn is_viable(&self) -> bool {
        let in_pod = self.exists() && self.pod & (DELETING | NODE_LOST) == 0;
        self.has_data() && (in_pod || self.is_durable())
    }

    pub(crate) fn set_pod(&mut self, pod: u8) {
        if self.pod != pod {
            self.pod = pod;
            self.touch();
        }
    }

    pub(crate) fn set_made(&mut self, made: u8) {
        if self.made != made {
            self.made = made;
            self.touch();
        }
    }

    pub(crate) fn set_also(&mut self, also: u8) {
        if self.also != also {
            self.also = also;
            self.touch();
        }
    }

    /// The pod, or its claim, has another resourceVersion.
    pub(crate) fn touch(&mut self) {
        self.ills |= POD_CHANGED;
        self.late &= !LATE_POD;
    }

    /// The pod's end: its processes are gone, and its disk unless that is on a claim.
    pub(crate) fn end_pod(&mut self) {
        self.stop();
        self.set_pod(0);
        let back = if self.is_durable() { VOLUNTARY } else { 0 };
        self.process &= USED | back;
        self.ills &= POD_CHANGED;
        self.set_made(self.made & (CLAIM | CLAIM_DELETING | SECOND));
        self.set_also(self.also & (PAIR | SECOND_DELETING));
        if !self.is_durable() {
            self.end_claims();
        }
    }

    /// The claims that are going are gone, and the data with them: what is on one of two is of no use.
    pub(crate) fn end_claims(&mut self) {
        (self.disk, self.own) = (0, 0);
        self.list &= !LEFT_BEHIND;
        self.set_made(self.made & !(self.claims_going() | CLAIM_DELETING));
        let pair = if self.claims() == 0 { PAIR } else { 0 };
        self.set_also(self.also & !(SECOND_DELETING | pair));
    }

    /// Its process ends, and with it what an operation asked of it.
    pub(crate) fn stop(&mut self) {
        self.task &= !(AT_WORK | WATCHED);
        self.process &= !(RUN | FRESH);
        self.list &= !LEADER;
    }

    /// The step under way that is about it, of those that are no join and no leave.
    pub(crate) fn step(&self) -> u8 {
        if self.reason & RESTARTING != 0 { self.reason & REASON } else { 0 }
    }

    /// How far it was when the status was last written.
    pub(crate) fn known_position(&self) -> u8 {
        self.row & POSITION
    }

    /// The application begins what it was asked for about it, or stops it.
    pub(crate) fn work(&mut self, request: Request) {
        match request {
            Request::Drain => self.list |= DRAINS,
            Request::CancelDrain => self.end_drain(),
            Request::Own(number) => {
                self.list = self.list & !OWN_STEP | (number + 1) << OWN_STEP_SHIFT;
            }
            Request::CancelOwn(_) => self.end_own_step(),
            _ => {}
        }
    }

    /// Whether the step under way is a recovery from it.
    pub(crate) fn recovers(&self) -> bool {
        (FENCING..=RESUMED).contains(&self.step())
    }

    /// How far it is, as a number: see [`POSITION`].
    pub(crate) fn position(&self) -> u8 {
        if self.log() == 0 && !self.is_caught_up() { 1 } else { 2 + self.log() }
    }

    pub(crate) fn set_log(&mut self, log: u8) {
        self.disk = self.disk & !LOG | log << LOG_SHIFT & LOG;
    }

    /// Whether it has a claim that goes when it has left; `kept` are those that never do.
    pub(crate) fn must_clear(&self, kept: u8) -> bool {
        self.claims() & !kept != 0 && self.made & KEPT == 0
    }

    /// Whether nothing speaks of this name any more, but for a claim that may be kept.
    pub(crate) fn is_forgotten(&self, kept: u8) -> bool {
        let spoken = self.pod | self.cached_pod | self.record | self.cached_record;
        let claims = (self.made | self.cached_made) & CLAIMS;
        let claim = if self.made & KEPT != 0 { 0 } else { claims & !kept };
        spoken | claim | self.plan | self.late == 0 && self.list & !LEADER == 0
    }

    /// What tells slots apart.
    #[inline]
    pub(crate) fn words(&self) -> [u64; 2] {
        let Self { pod, made, process, disk, list, record, reason, role, .. } = *self;
        let (role, group) = (role & ROLE, role >> GROUP_SHIFT);
        let role = role | (self.row & POSITION) << 2 | (self.cached_row & POSITION) << 5;
        let there = [pod, process, list, record, disk, made, reason, role];
        let Self { cached_pod, cached_made, cached_record, cached_reason, .. } = *self;
        let Self { ills, late, plan, own, .. } = *self;
        // Six bits, of which five are beside those of a late call.
        let asked = self.row >> ASKED_SHIFT | self.cached_row >> ASKED_SHIFT << 3;
        let (late, plan) = (late | asked << 3, plan | asked >> 5 << 4 | group << 5);
        let cached = [cached_pod, cached_record, cached_made, cached_reason, ills, late, plan, own];
        [u64::from_be_bytes(there), u64::from_be_bytes(cached)]
    }

    /// What tells them apart besides, where there is anything of it.
    #[inline]
    pub(crate) fn more(&self) -> u64 {
        u64::from(self.also) | u64::from(self.cached_also) << 8 | u64::from(self.task) << 16
    }
}

/// The group in a [`Slot::role`].
pub(crate) fn group(role: u8) -> u8 {
    (role & GROUP) >> GROUP_SHIFT
}
