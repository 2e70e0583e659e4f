//! The rules of etcd's membership as the model checker has them, against real etcd: what is done at random gets the
//! same answers from both, and leaves the same list, the same processes and a leader or none.

use std::process::Command;
use std::time::{Duration, Instant};

use endstate_check::cluster::{Answer, Budgets, Played, Ran, Request, Scenario, Start};
use endstate_etcd::client::{Connection, Failure, Status};
use futures::future::join_all;
use simulator::EtcdModel;

use crate::support::{Place, Process, etcd_of, eventually};

/// Of those with the strictest check of who is connected, which the model has.
const VERSION: &str = "3.5.16";
/// As etcd counts: connected for longer than this (its `HealthInterval`), with a margin either way.
const FRESH_MAX: Duration = Duration::from_millis(4000);
const UNSETTLED: Duration = Duration::from_millis(4900);
const SETTLED: Duration = Duration::from_millis(5300);
const EVENTS: usize = 24;
/// As many as the model has room for.
const MEMBERS_MAX: usize = 12;

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    Join,
    Start(usize),
    Stop(usize),
    Promote(usize),
    Remove(usize),
    Lead(usize),
    Settle,
}

/// Numbers that look random, the same for a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let few = u64::try_from(bound).unwrap();
        usize::try_from((mixed ^ mixed >> 31) % few).unwrap()
    }

    fn event(&mut self, members: usize) -> Event {
        let member = self.below(members);
        match self.below(13) {
            0 | 1 => Event::Join,
            2..=4 => Event::Start(member),
            5 | 6 => Event::Stop(member),
            7 | 8 => Event::Promote(member),
            9 => Event::Remove(member),
            10 => Event::Lead(member),
            _ => Event::Settle,
        }
    }
}

/// One member of the real cluster.
struct Member {
    place: Place,
    process: Option<Process>,
    /// Once it was listed.
    id: Option<u64>,
}

impl Member {
    fn new(number: usize) -> Self {
        Self { place: Place::new(&format!("m{number}")), process: None, id: None }
    }

    fn runs(&mut self) -> bool {
        let ended = self.process.as_mut().is_none_or(|it| it.0.try_wait().unwrap().is_some());
        if ended {
            self.process = None;
        }
        !ended
    }

    async fn status(&self) -> Result<Status, Failure> {
        Connection::to(&self.place.endpoint()).await?.status().await
    }
}

/// Both, side by side.
struct Both {
    members: Vec<Member>,
    model: Played<EtcdModel>,
    /// When a process started last.
    started: Instant,
    /// When all who run were connected after that.
    connected: Instant,
    script: Vec<String>,
    /// How many answers were compared.
    compared: usize,
    /// The machine was too slow to go on.
    is_over: bool,
}

impl Both {
    async fn new() -> Self {
        let scenario = Scenario::new("compared", Start::Running([3, 0]), &[[3, 0]], Budgets::NONE);
        let model = Played::new(&scenario, EtcdModel::of(&scenario));
        let members = (0..3).map(Member::new).collect();
        let mut both = Self {
            members,
            model,
            started: Instant::now(),
            connected: Instant::now(),
            script: vec![],
            compared: 0,
            is_over: false,
        };
        for member in 0..3 {
            both.launch(member, &[0, 1, 2], "new");
        }
        for member in &mut both.members {
            member.id =
                Some(eventually("it has an id", async || member.status().await).await.member);
        }
        both.calm().await;
        both.connected = Instant::now();
        both.settle().await;
        both
    }

    fn launch(&mut self, member: usize, cluster: &[usize], state: &str) {
        let places: Vec<_> = cluster.iter().map(|it| &self.members[*it].place).collect();
        let place = &self.members[member].place;
        let mut command = Command::new(etcd_of(VERSION));
        command.args(place.arguments(&places, state));
        let process = place.spawn(command);
        self.members[member].process = Some(process);
        self.started = Instant::now();
    }

    fn listed(&self) -> Vec<usize> {
        let slots = self.model.state().members();
        (0..slots.len()).filter(|it| slots[*it].is_listed()).collect()
    }

    async fn go(&mut self, event: Event) {
        if self.is_moot(event) {
            return;
        }
        self.script.push(format!("{event:?}"));
        match event {
            Event::Join => self.join().await,
            Event::Start(member) => self.start(member),
            Event::Stop(member) => {
                self.members[member].process = None;
                self.model.stop(member);
            }
            Event::Promote(member) => self.ask(Request::Promote, member).await,
            Event::Remove(member) => self.ask(Request::Leave, member).await,
            Event::Lead(member) => self.ask(Request::Transfer, member).await,
            Event::Settle => self.settle().await,
        }
        if !self.is_over {
            self.calm().await;
        }
    }

    /// What nobody could do, what etcd may or may not answer, and what would need more room.
    fn is_moot(&self, event: Event) -> bool {
        let state = self.model.state();
        let slots = state.members();
        match event {
            Event::Settle => slots.iter().all(|it| !it.runs() || it.is_settled()),
            Event::Join => self.spare().is_none() && slots.len() == MEMBERS_MAX,
            // Who was removed hears of it from those who are left.
            Event::Start(it) if slots[it].runs() => true,
            Event::Start(it) => {
                !slots[it].is_listed() && (!slots[it].has_data() || !state.can_commit())
            }
            Event::Stop(it) => !slots[it].runs(),
            // A leader that removes itself may end before it answers, and what is asked of too few may be done later.
            Event::Remove(it) => {
                self.members[it].id.is_none() || slots[it].leads() || !state.can_commit()
            }
            Event::Promote(it) | Event::Lead(it) => self.members[it].id.is_none(),
        }
    }

    /// One that came and was refused.
    fn spare(&self) -> Option<usize> {
        self.members.iter().position(|it| it.id.is_none())
    }

    fn start(&mut self, member: usize) {
        let cluster = self.listed();
        self.launch(member, &cluster, "existing");
        let ran = self.model.start(member);
        self.script.push(format!("{ran:?}"));
        assert!(matches!(ran, Ran::OnItsData | Ran::Empty | Ran::Crashed), "{:?}", self.script);
    }

    async fn join(&mut self) {
        let member = self.spare().unwrap_or_else(|| {
            self.members.push(Member::new(self.members.len()));
            self.model.come()
        });
        self.ask(Request::Join, member).await;
    }

    /// Asks both for the same.
    async fn ask(&mut self, request: Request, member: usize) {
        if self.started.elapsed() > FRESH_MAX {
            self.settle().await;
        }
        let said = self.ask_real(request, member).await;
        // Between these nobody can say what etcd counted, so nothing can be compared any more.
        self.is_over = self.started.elapsed() > UNSETTLED && self.connected.elapsed() < SETTLED;
        if self.is_over {
            return;
        }
        self.compared += 1;
        let real = if said.is_ok() { Answer::Done } else { Answer::Refused };
        let model = self.model.ask(request, member);
        self.script.push(format!("{said:?}"));
        assert_eq!(model, real, "by the model, and by etcd: {:#?}", self.script);
    }

    async fn ask_real(&mut self, request: Request, member: usize) -> Result<(), Failure> {
        let running = |it: &usize| self.model.state().members()[*it].works();
        let via = self.model.state().leader();
        let via = via.or_else(|| (0..self.members.len()).find(running));
        let Some(via) = via else { return Err(Failure::unknown("nobody runs")) };
        let connection = Connection::to(&self.members[via].place.endpoint()).await?;
        let id = self.members[member].id;
        match (request, id) {
            (Request::Join, _) => {
                let added = connection.add_learner(&self.members[member].place.peer).await?;
                self.members[member].id = Some(added);
                Ok(())
            }
            (Request::Promote, Some(id)) => connection.promote(id).await,
            (Request::Transfer, Some(id)) => connection.move_leader(id).await,
            (Request::Leave, Some(id)) => connection.remove(id).await,
            _ => unreachable!("who has no id is not asked about"),
        }
    }

    /// Until those who run count as connected for long enough.
    async fn settle(&mut self) {
        tokio::time::sleep(SETTLED.saturating_sub(self.connected.elapsed())).await;
        self.model.settle();
    }

    /// Until the real cluster is as the model says that it comes to be. Who leads is etcd's to say.
    async fn calm(&mut self) {
        self.model.calm();
        let what = format!("it comes to be as the model says: {:#?}", self.script);
        let start = Instant::now();
        let leader = loop {
            match self.differs().await {
                Ok(leader) => break leader,
                Err(why) => assert!(start.elapsed() < Duration::from_secs(60), "{what}: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        if let Some(leader) = leader {
            self.model.elected(leader);
        }
        if self.connected < self.started {
            self.connected = Instant::now();
        }
    }

    /// Who leads, or what is not yet so.
    async fn differs(&mut self) -> Result<Option<usize>, String> {
        let slots: Vec<_> = self.model.state().members().to_vec();
        for (index, slot) in slots.iter().enumerate() {
            if self.members[index].runs() != slot.runs() {
                return Err(format!("m{index} runs: {}", !slot.runs()));
            }
        }
        let mut seen = vec![];
        for index in (0..slots.len()).filter(|it| slots[*it].runs()) {
            match self.members[index].status().await {
                Ok(status) => seen.push((index, status)),
                // Who starts without a leader answers nobody yet.
                Err(_) if !self.model.state().can_commit() => {}
                Err(error) => return Err(format!("m{index}: {error:?}")),
            }
        }
        if !self.model.state().can_commit() {
            let led = seen.iter().find(|(_, it)| it.leader != 0);
            return led.map_or(Ok(None), |(index, _)| Err(format!("m{index} follows somebody")));
        }
        let Some((leader, lead)) = seen.iter().find(|(_, it)| it.leader == it.member) else {
            return Err("nobody leads".to_owned());
        };
        let behind =
            seen.iter().find(|(_, it)| it.leader != lead.member || it.raft_index < lead.raft_index);
        if let Some((index, it)) = behind {
            return Err(format!("m{index} is behind m{leader}: {it:?}"));
        }
        self.same_list(*leader).await?;
        Ok(Some(*leader))
    }

    async fn same_list(&self, leader: usize) -> Result<(), String> {
        let connection = Connection::to(&self.members[leader].place.endpoint()).await;
        let list = match connection {
            Ok(it) => it.members().await,
            Err(error) => Err(error),
        };
        let list = list.map_err(|it| format!("m{leader} gives no list: {it:?}"))?;
        let mut real: Vec<_> = list.members.iter().map(|it| (it.id, !it.learner)).collect();
        let slots = self.model.state().members();
        let listed = self.listed().into_iter();
        let mut model: Vec<_> = listed
            .map(|it| (self.members[it].id.expect("it was listed"), slots[it].votes()))
            .collect();
        real.sort_unstable();
        model.sort_unstable();
        if real == model {
            Ok(())
        } else {
            Err(format!("etcd lists {real:?}, the model {model:?}"))
        }
    }
}

/// How many answers were the same.
async fn play(seed: u64) -> usize {
    let mut both = Both::new().await;
    let mut chance = Chance(seed);
    for _ in 0..EVENTS {
        let event = chance.event(both.members.len());
        both.go(event).await;
        if both.is_over {
            break;
        }
    }
    both.compared
}

#[tokio::test]
async fn the_models_rules_are_etcds() {
    let compared = join_all((0..4).map(play)).await;
    assert!(compared.iter().sum::<usize>() > 0, "the machine is too slow to compare anything");
}
