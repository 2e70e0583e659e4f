//! Three members that have no space left: what the driver sees of it, and that what the planner asks for makes room, so
//! that clients can write again.

use std::collections::BTreeSet;
use std::process::Command;

use endstate::driver::{Address, Driver, Outcome, Target};
use endstate_core::{App, Call, Cluster, Identity, Member, MemberName, Request, Standing, View};
use endstate_etcd::EtcdDriver;
use etcd_client::Client;
use etcd_plan::{COMPACT, ClusterFacts, DEFRAGMENT, Etcd, EtcdClusterSpec, WITHDRAW_NOSPACE};

use crate::support::{Place, Process, etcd_of, eventually};

/// Small, so that it is soon used up.
const QUOTA: usize = 16 << 20;

/// The members as the planner has them, when all of them answer.
fn cluster(view: &View) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.facts = view.facts.clone();
    for (name, status) in view.targets.iter().filter_map(|it| Some((&it.name, it.status.as_ref()?)))
    {
        let mut member = Member::new(name.clone(), status.id.clone(), "member").voting(true);
        member.leads = status.standing == Standing::Leader;
        (member.position, member.facts) = (status.position.clone(), status.facts.clone());
        cluster.members.push(member);
    }
    cluster
}

fn start(version: &str, places: &[Place]) -> Vec<Process> {
    let all: Vec<_> = places.iter().collect();
    let start = |it: &Place| {
        let mut command = Command::new(etcd_of(version));
        command.args(it.arguments(&all, "new"));
        command.args(["--quota-backend-bytes", &QUOTA.to_string()]);
        it.spawn(command)
    };
    places.iter().map(start).collect()
}

/// Writes one key again and again, until there is no space left for it.
async fn fill(client: &mut Client) {
    let value = vec![b'x'; 400_000];
    for _ in 0..2 * QUOTA / value.len() {
        if client.put("k", value.clone(), None).await.is_err() {
            return;
        }
    }
    panic!("there is space left");
}

async fn makes_room(version: &str) {
    let places = ["a", "b", "c"].map(Place::new);
    let _processes = start(version, &places);
    let mut spec = EtcdClusterSpec::new(3, version);
    // Not every version says so itself.
    spec.env = vec![("ETCD_QUOTA_BACKEND_BYTES".to_owned(), QUOTA.to_string())];
    let object = Identity::new("default", "demo", "0c5f");
    let address = |it: &Place| Address::of(it.name.as_str(), Some(it.client.clone()));
    let target = places.iter().map(address).fold(Target::new(&object, &spec), Target::member);
    let driver = EtcdDriver::default();
    let look = async || {
        eventually("all answer", async || {
            let view = driver.observe(&target).await;
            let agreed = view.membership.as_ref().is_some_and(|it| it.agreed == 3);
            if agreed { Ok(view) } else { Err(view) }
        })
        .await
    };
    let view = look().await;
    assert_eq!(view.facts.read::<ClusterFacts>().expect("they are told").no_space, None);
    let mut client = Client::connect([&places[0].client], None).await.expect("it serves");
    // What a defragmentation alone gives back is less each time: at last history has to go.
    for round in 1.. {
        fill(&mut client).await;
        let view = eventually("the alarm is told", async || {
            let view = look().await;
            let complaint = Etcd.complaint(&spec, &cluster(&view));
            if complaint.is_some_and(|it| it.reason == "SpaceExhausted") {
                Ok(view)
            } else {
                Err(view)
            }
        })
        .await;
        let done = remedy(&driver, &target, look).await;
        let times = |name: &str| done.iter().filter(|it| it.0 == name).count();
        assert!(times(COMPACT) <= 1 && times(WITHDRAW_NOSPACE) == 1, "{done:?}");
        let members: BTreeSet<_> =
            done.iter().filter(|it| it.0 == DEFRAGMENT).map(|it| &it.1).collect();
        assert_eq!(times(DEFRAGMENT), members.len(), "nobody twice: {done:?}");
        let leader = cluster(&view).leader().expect("one leads").name.clone();
        let last = done.iter().rfind(|it| it.0 == DEFRAGMENT).expect("there is one");
        assert!(!members.contains(&leader) || last.1 == leader, "who leads is last: {done:?}");
        client.put("k", "written", None).await.expect("clients write again");
        if times(COMPACT) == 1 {
            break;
        }
        assert!(round < 8, "history is never given up");
    }
}

/// Does what is due until nothing is, and says what it was.
async fn remedy(
    driver: &EtcdDriver,
    target: &Target<'_, EtcdClusterSpec>,
    look: impl AsyncFn() -> View,
) -> Vec<(String, MemberName)> {
    let mut done = vec![];
    eventually("there is room", async || {
        let view = look().await;
        let cluster = cluster(&view);
        let Some(step) = Etcd.steps(target.spec, &cluster).into_iter().next() else {
            let is_over = done.last().is_some_and(|it: &(String, _)| it.0 == WITHDRAW_NOSPACE);
            return if is_over { Ok(()) } else { Err(view) };
        };
        let request = Request::App(step.clone());
        let via = Etcd.via(&cluster, &request).expect("somebody is asked");
        let roster = view.membership.as_ref().expect("it is led").roster();
        if driver.act(target, &Call::new(request, via, roster)).await == Outcome::Done {
            done.push((step.name, step.member));
        }
        Err(view)
    })
    .await;
    done
}

/// It says no quota, and counts what a compaction frees with the next write.
#[tokio::test]
async fn room_is_made_in_3_4() {
    Box::pin(makes_room("3.4.23")).await;
}

#[tokio::test]
async fn room_is_made_in_3_7() {
    Box::pin(makes_room("3.7.3")).await;
}
