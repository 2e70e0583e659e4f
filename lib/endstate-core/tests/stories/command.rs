//! The commands of the stories.

use endstate_core::{
    Claim, Conflict, Corruption, DATA, Denial, Eviction, Evidence, MemberName, Place, RequestKind,
    Room, Status, Words, claim_of,
};
use jiff::SignedDuration;

use super::carry::When;
use super::{Told, World};

impl<A: Told> World<A> {
    /// Does what a line says; answers with what there is to see.
    pub(crate) fn tell(&mut self, line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        let answer = self.planning(&words);
        let answer = answer.or_else(|| self.member_change(&words, line));
        let answer = answer.or_else(|| self.cluster_change(&words));
        let answer = answer.unwrap_or_else(|| A::tell(self, &words));
        self.elect();
        self.readable(&answer)
    }

    /// What is asked of the planner, and what there is to see.
    fn planning(&mut self, words: &[&str]) -> Option<String> {
        let unhealthy = || Denial::Application { message: Words::of("unhealthy cluster") };
        let no_user = || Denial::NeedsUser { message: Words::of("user name is empty") };
        Some(match words {
            ["plan"] => self.plan(),
            ["plan", "until", "idle"] => self.plan_until_idle(),
            ["plan", "refused"] => self.plan_refused(unhealthy(), When::AWhileAgo),
            ["plan", "refused", "now"] => self.plan_refused(unhealthy(), When::Now),
            ["refused", times, "times"] => {
                self.snapshot.blocked.last_mut().unwrap().times = times.parse().unwrap();
                String::new()
            }
            ["plan", "without", "user"] => self.plan_refused(no_user(), When::AWhileAgo),
            ["status"] => self.status(),
            ["record"] => self.record(),
            ["claims"] => self.claims(),
            ["operations"] => self.operations(),
            ["surroundings"] => self.surroundings(),
            ["told", name] => self.told(name),
            ["next", "look"] => format!("{} ms\n", self.look_again_ms.unwrap()),
            _ => return None,
        })
    }

    /// What happens to members.
    fn member_change(&mut self, words: &[&str], line: &str) -> Option<String> {
        let told = match words {
            ["start", names @ ..] => self.each(names, Self::start),
            ["stop", names @ ..] => self.each(names, Self::stop),
            ["wait-for-quorum", names @ ..] => self.each(names, |it, name| {
                it.stop(name);
                it.waiting.push(name.clone());
            }),
            ["unready", names @ ..] => self.each(names, |it, name| it.pod(name).ready = false),
            ["ready", names @ ..] => self.each(names, |it, name| it.pod(name).ready = true),
            ["wipe", names @ ..] => self.each(names, Self::wipe),
            ["foreign", names @ ..] => self.each(names, |it, name| {
                it.show(name, (Evidence::DataForeign, "/data holds the data of m9"));
            }),
            ["unreadable", names @ ..] => self.each(names, |it, name| {
                it.show(name, (Evidence::DataUnreadable, "cannot read /data/log: bad disk"));
            }),
            ["unsurveyed", names @ ..] => {
                self.each(names, |it, name| it.pod(name).surveyed = false)
            }
            ["differs", names @ ..] => self.each(names, Self::differ),
            ["cut", names @ ..] => self.each(names, |it, name| it.cut.push(name.clone())),
            ["mend", names @ ..] => self.each(names, |it, name| it.cut.retain(|it| it != name)),
            ["mislead", id, names @ ..] => self.each(names, |it, name| {
                it.misled.insert(name.clone(), (*id).into());
            }),
            ["follow", names @ ..] => self.each(names, |it, name| {
                it.misled.remove(name);
            }),
            ["at", name, position] => self.set_position(name, position),
            ["evict", names @ ..] => self.each(names, Self::evict),
            ["end-pod", names @ ..] => self.each(names, Self::end_pod),
            ["hold-pod", names @ ..] => self.each(names, Self::hold_pod),
            ["replace-pod", names @ ..] => self.each(names, Self::replace_pod),
            ["drop-claim", volume, "of", name] => {
                let name = self.name(name);
                self.drop_claim(&claim_of(volume, &name), &name);
                String::new()
            }
            ["hold-claim", volume, "of", name] => {
                let name = self.name(name);
                self.hold_claim(&claim_of(volume, &name));
                String::new()
            }
            ["drop-claim", names @ ..] => {
                self.each(names, |it, name| it.drop_claim(&claim_of(DATA, name), name))
            }
            ["hold-claim", names @ ..] => {
                self.each(names, |it, name| it.hold_claim(&claim_of(DATA, name)))
            }
            ["crash", names @ ..] => self.each(names, Self::crash),
            ["end", words @ ..] => self.end(words, line),
            ["not-created", names @ ..] => self.not_created(names),
            ["no-image", names @ ..] => self.each(names, Self::no_image),
            ["node", node, "has", names @ ..] => {
                self.each(names, |it, name| it.pod(name).node = Some((*node).to_owned()))
            }
            ["no-node", names @ ..] => self.each(names, Self::no_node),
            ["node-lost", names @ ..] => self.each(names, Self::lose_node),
            ["unmark", names @ ..] => self.each(names, Self::unmark),
            ["refuse-marks", names @ ..] => {
                self.each(names, |it, name| it.unmarkable.push(name.clone()))
            }
            ["unlist", names @ ..] => self.each(names, Self::unlist),
            ["list", name] => self.list_stranger(name, true),
            ["list", name, "as", id] => {
                let told = self.list_stranger(name, true);
                self.list().members.last_mut().unwrap().id = (*id).into();
                told
            }
            ["list-non-voter", name, "as", id] => {
                let told = self.list_stranger(name, false);
                self.list().members.last_mut().unwrap().id = (*id).into();
                told
            }
            ["list-non-voter", name] => self.list_stranger(name, false),
            ["promote", names @ ..] => self.each(names, Self::promote),
            _ => return None,
        };
        Some(told)
    }

    /// What happens to the cluster as a whole.
    fn cluster_change(&mut self, words: &[&str]) -> Option<String> {
        match words {
            ["spec", fields @ ..] => self.edit(fields),
            // An operator was killed while it handed the lead over.
            ["all", "read-only"] => self.leader = None,
            ["guard"] => self.guarded = true,
            ["unguard"] => self.guarded = false,
            ["alarm", id] => self.alarm(Corruption::Of((*id).into())),
            ["alarm"] => self.alarm(Corruption::Undetermined),
            ["disarm"] => self.alarms.clear(),
            ["compare"] => self.compare(),
            ["forget", "comparisons"] => self.snapshot.view.comparisons.clear(),
            ["images", "hold", version] => self.mislabelled = Some((*version).to_owned()),
            ["task", request, name] => {
                let request = match *request {
                    "drain" => RequestKind::Drain,
                    name => RequestKind::App(name.into()),
                };
                let member = self.name(name);
                self.begin_task(request, member);
            }
            ["operation", name, field, names @ ..] => self.declare(name, field, names),
            ["withdraw", name] => self.operation(name).deleting = true,
            ["drop", "operation", name] => self.snapshot.beside.retain(|it| it.name != *name),
            ["slow"] => self.slow = true,
            ["work", share] => self.work(share.parse().unwrap()),
            ["show", "marks"] => self.marks_told = true,
            ["refuse", "objects"] => self.unwritable = true,
            ["accept", "objects"] => self.unwritable = false,
            ["accept", "marks"] => self.unmarkable.clear(),
            ["taken", kind, name] => self.snapshot.conflicts.push(Conflict::new(*kind, *name)),
            ["taken", kind, name, "of", member] => {
                let member = self.name(member);
                let conflict = Conflict::new(*kind, *name).of(Some(member));
                self.snapshot.conflicts.push(conflict);
            }
            ["free", "names"] => self.snapshot.conflicts.clear(),
            ["consent", "to", "nothing"] => self.snapshot.consent = None,
            ["consent", "to", words @ ..] => {
                let words: Vec<_> = words.iter().map(|it| self.name(it).to_string()).collect();
                self.snapshot.consent = Some(words.join(" ").into());
            }
            ["runs", name, "since", "now"] => {
                let (member, now) = (self.name(name), self.snapshot.now);
                self.pod(&member).running_since = Some(now);
            }
            ["ask", "eviction", "of", name] => {
                let member = self.name(name);
                self.pod(&member).eviction = Some(Eviction::new(*name));
            }
            ["withdraw", "eviction", "of", name] => {
                let member = self.name(name);
                self.pod(&member).eviction = None;
            }
            ["nodes", names @ ..] => {
                self.snapshot.places = names.iter().map(|it| place(it)).collect();
            }
            ["cordon", names @ ..] => self.room(names, Room::Emptied),
            ["close", names @ ..] => self.room(names, Room::Closed),
            ["uncordon", names @ ..] => self.room(names, Room::Open),
            ["former", "claim", member, "of", uid] => self.former_claim(DATA, member, uid),
            ["former", "claim", volume, "of", member, "of", uid] => {
                self.former_claim(volume, member, uid);
            }
            ["another", "operator"] => self.snapshot.blocked.clear(),
            ["wait", seconds] => {
                self.snapshot.now += SignedDuration::from_secs_f64(seconds.parse().unwrap());
            }
            ["delete"] => self.snapshot.object.deleting = true,
            ["forget", "status"] => self.snapshot.status = Status::default(),
            ["no", "pods", "listed"] => self.snapshot.pods = None,
            _ => return None,
        }
        Some(String::new())
    }

    /// Of a second volume, and of one that has that beside it, the claims name each other.
    fn former_claim(&mut self, volume: &str, member: &str, uid: &str) {
        let member = self.name(member);
        let (name, former) = (claim_of(volume, &member), &mut self.snapshot.former);
        let mut claim = Claim::new(&*name, format!("7d11-{name}"), "52", member.clone());
        claim.of_another = Some(uid.into());
        if volume != DATA {
            claim.beside = vec![DATA.into()];
            let data = former.iter_mut().filter(|it| it.member == member);
            data.for_each(|it| it.beside = vec![volume.into()]);
        }
        former.push(claim);
    }

    fn room(&mut self, nodes: &[&str], room: Room) {
        for place in self.snapshot.places.iter_mut().filter(|it| nodes.contains(&&*it.node)) {
            place.room = room;
        }
    }

    pub(super) fn each(
        &mut self,
        names: &[&str],
        mut act: impl FnMut(&mut Self, &MemberName),
    ) -> String {
        for name in names {
            let name = self.name(name);
            act(self, &name);
        }
        String::new()
    }

    fn edit(&mut self, fields: &[&str]) {
        for field in fields {
            let (field, value) = field.split_once('=').unwrap();
            A::edit(&mut self.snapshot.spec, field, value);
        }
        self.snapshot.object.generation += 1;
    }
}

/// A node: `name`, or `name:zone`.
fn place(text: &str) -> Place {
    let (node, zone) = text.split_once(':').map_or((text, None), |(it, zone)| (it, Some(zone)));
    Place::new(node, Room::Open).zone(zone.map(str::to_owned))
}
