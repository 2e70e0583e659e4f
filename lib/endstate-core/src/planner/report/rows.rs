//! One row per member that is listed, recorded or coming.

use super::Report;
use crate::app::App;
use crate::member::{Health, Member};
use crate::position::Position;
use crate::problem::Change;
use crate::reason::Cause;
use crate::record::MemberRecord;
use crate::status::MemberRow;
use crate::view::Standing;
use crate::words;

impl<A: App> Report<'_, '_, A> {
    pub(super) fn rows(&self) -> Vec<MemberRow> {
        let members = || self.cluster().into_iter().flat_map(|it| &it.members);
        let mut rows: Vec<_> = members().map(|it| self.row(it, self.furthest(it))).collect();
        let record = &self.decision.record;
        let first = record.bootstrap.iter().flat_map(|it| &it.members);
        for member in first.chain(&record.members) {
            if !rows.iter().any(|it| it.name == member.name) {
                rows.push(self.row_of_record(member));
            }
        }
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }

    /// How far the furthest is of those who have the same data.
    fn furthest(&self, member: &Member) -> Option<&Position> {
        let members = self.cluster().into_iter().flat_map(|it| &it.members);
        let led = self.assessed.has_group_leaders(&member.role);
        let same = |it: &&Member| !led || it.role == member.role && it.group == member.group;
        let positions = members.filter(same).filter_map(|it| it.position.as_ref());
        positions.max_by_key(|it| it.count())
    }

    fn row(&self, member: &Member, furthest: Option<&Position>) -> MemberRow {
        let snapshot = self.assessed.snapshot;
        let answer = snapshot.view.answer(&member.name);
        let standing = match member {
            it if !it.votes => Standing::NonVoter,
            it if it.leads => Standing::Leader,
            _ => Standing::Voter,
        };
        let lag = furthest.zip(member.position.as_ref()).and_then(|(ahead, has)| has.behind(ahead));
        let volume = member.volume_deleting.then_some(Cause::VolumeDeleting);
        let cause = member.health.cause().or(volume).map(|it| it.to_string());
        let staged = self.decision.record.stage.is_some();
        let mismatch = member.version_mismatch.as_ref().map(ToString::to_string);
        MemberRow {
            id: Some(member.id.clone()),
            standing: Some(standing),
            healthy: member.health.is_healthy(),
            trouble: cause.or(mismatch),
            updated: !member.outdated && member.pod.is_some() && !staged,
            version: answer.map(|it| it.version.clone()),
            node: snapshot.pod(&member.name).and_then(|it| it.node.clone()),
            position: member.position.clone().or_else(|| self.position_before(&member.name)),
            lag,
            corrupt: self.assessed.is_accused(&member.name),
            data_size: answer.map(|it| it.data_size),
            ..MemberRow::new(member.name.clone(), member.role.clone())
        }
    }

    /// How far a member was when it last said so: what a recovery is measured against.
    fn position_before(&self, name: &str) -> Option<Position> {
        let rows = &self.assessed.snapshot.status.members;
        rows.iter().find(|it| *it.name == *name)?.position.clone()
    }

    /// A member without proof of its part: only what its own pod and answer say.
    fn row_of_record(&self, member: &MemberRecord) -> MemberRow {
        let snapshot = self.assessed.snapshot;
        let health = self.assessed.health(member);
        let pod = snapshot.pod(&member.name);
        let updated = match (pod.and_then(|it| it.spec.as_ref()), &self.decision.record.accepted) {
            (Some(old), Some(new)) => {
                self.assessed.app.change(&member.role, old, &new.spec) == Change::Nothing
            }
            _ => false,
        };
        // Without a quorum nobody has a leader to follow, which is no fault of a member.
        let alive = health.is_alive();
        let known = snapshot.known_position(&member.name);
        MemberRow {
            id: member.id.clone(),
            standing: self.standing_of_record(member),
            healthy: alive,
            trouble: match self.sleeps() {
                true => Some(words::ASLEEP.into()),
                false => health.cause().filter(|_| !alive).map(|it| it.to_string()),
            },
            updated,
            node: pod.and_then(|it| it.node.clone()),
            position: known,
            corrupt: self.assessed.is_accused(&member.name),
            ..MemberRow::new(member.name.clone(), member.role.clone())
        }
    }

    /// A member that is recorded votes if its role does, as far as is known: the size does not shrink because
    /// nobody can be asked.
    fn standing_of_record(&self, member: &MemberRecord) -> Option<Standing> {
        let belongs = self.decision.record.members.iter().any(|it| it.name == member.name);
        let role = self.assessed.target.as_ref().and_then(|it| self.assessed.role(it, member));
        let votes = role.is_none_or(|it| if it.is_led() { member.votes } else { it.votes });
        belongs.then_some(if votes { Standing::Voter } else { Standing::NonVoter })
    }

    /// With proof of a quorum, as its members see each other; without, as each says itself.
    pub(super) fn health_of(&self, member: &MemberRecord) -> Health {
        let listed = self.cluster().and_then(|it| it.member(&member.name));
        listed.map_or_else(|| self.assessed.health(member), |it| it.health.clone())
    }
}
