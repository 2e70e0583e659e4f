//! Data that is wrong on disk, which etcd itself says nothing of: the driver's comparison names whose it is, and an
//! alarm about nobody who is there is withdrawn.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use endstate::driver::{Address, Driver, Outcome, Target};
use endstate_core::{Call, Corruption, Identity, Request, View};
use endstate_etcd::EtcdDriver;
use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client};
use etcd_plan::EtcdClusterSpec;

use crate::support::{Place, eventually};

/// What no other bytes of a database are.
const VALUE: &str = "what-was-written-and-is-to-be-read";

/// Overwrites the value in a member's database, beneath its process.
fn spoil(place: &Place) {
    let path = place.data_dir().join("member/snap/db");
    let bytes = fs::read(&path).expect("it has a database");
    let file = File::options().write(true).open(path).expect("it can be written");
    let found = |at: &usize| bytes[*at..].starts_with(VALUE.as_bytes());
    for at in (0..bytes.len()).filter(found) {
        file.write_all_at(b"W", u64::try_from(at).expect("it fits")).expect("it is written");
    }
}

fn target<'a>(
    object: &'a Identity,
    spec: &'a EtcdClusterSpec,
    places: &[Place],
) -> Target<'a, EtcdClusterSpec> {
    let address = |it: &Place| Address::of(it.name.as_str(), Some(it.client.clone()));
    places.iter().map(address).fold(Target::new(object, spec), Target::member)
}

/// Looks until what is seen is so.
async fn until(
    what: &str,
    (driver, target): (&EtcdDriver, &Target<'_, EtcdClusterSpec>),
    holds: impl Fn(&View) -> bool,
) -> View {
    eventually(what, async || {
        let view = driver.observe(target).await;
        if holds(&view) { Ok(view) } else { Err(view) }
    })
    .await
}

/// What all members report of corrupt data.
fn alarms(view: &View) -> Vec<&[Corruption]> {
    let answers = view.targets.iter().filter_map(|it| it.status.as_ref());
    answers.map(|it| it.corruption.as_slice()).collect()
}

#[tokio::test]
async fn a_value_that_is_wrong_on_disk_is_found_by_comparison() {
    let places = ["a", "b", "c"].map(Place::new);
    let all: Vec<_> = places.iter().collect();
    let _processes: Vec<_> = places.iter().map(|it| it.start(&all, "new")).collect();
    let spec = EtcdClusterSpec::new(3, "3.5.16");
    let object = Identity::new("default", "demo", "0c5f");
    let target = target(&object, &spec, &places);
    let driver = EtcdDriver::default();
    let agree = |it: &View| it.membership.as_ref().is_some_and(|it| it.agreed == 3);
    let view = until("the members agree", (&driver, &target), agree).await;
    let follows =
        |it: &&Place| view.answer(&it.name).is_some_and(|it| it.leader.as_ref() != Some(&it.id));
    let follower = places.iter().find(follows).expect("two follow");
    let mut client = Client::connect([&follower.client], None).await.expect("it serves");
    client.put("k", VALUE, None).await.expect("it is written");
    // What was written last is read from memory until something else was.
    eventually("it reads what is wrong, without a word", async || {
        spoil(follower);
        client.put("other", "", None).await.expect("it is written");
        let read = client.get("k", None).await.expect("it serves on");
        if read.kvs()[0].value() == VALUE.as_bytes() { Err("it is right") } else { Ok(()) }
    })
    .await;

    // Another operator, who has compared nothing yet.
    let driver = EtcdDriver::default();
    let twice = |it: &View| it.comparisons.len() == 2;
    let seen = until("it is compared twice", (&driver, &target), twice).await;
    let guilty = Corruption::Of(view.answer(&follower.name).expect("it answered").id.clone());
    for compared in &seen.comparisons {
        assert_eq!(compared.corruption(), [guilty.clone()].into(), "{compared:?}");
    }
    assert!(alarms(&seen).iter().all(|it| it.is_empty()), "etcd itself says nothing");
}

/// One names a member that has left, the other nobody.
#[tokio::test]
async fn an_alarm_is_withdrawn() {
    let places = [Place::new("a")];
    let _process = places[0].start(&[&places[0]], "new");
    let spec = EtcdClusterSpec::new(1, "3.5.16");
    let object = Identity::new("default", "demo", "0c5f");
    let (driver, target) = (EtcdDriver::default(), target(&object, &spec, &places));
    let leads = |it: &View| it.membership.as_ref().is_some_and(|it| it.agreed == 1);
    until("it leads", (&driver, &target), leads).await;
    let mut client = Client::connect([&places[0].client], None).await.expect("it serves");
    for (id, alarm) in [(0, Corruption::Undetermined), (0x77, Corruption::Of("77".into()))] {
        let mut of = AlarmOptions::new();
        of.with_member(id);
        let raised = client.alarm(AlarmAction::Activate, AlarmType::Corrupt, Some(of)).await;
        raised.expect("it is raised");
        let told = |it: &View| alarms(it) == [[alarm.clone()]];
        let view = until("the alarm is told", (&driver, &target), told).await;
        let roster = view.membership.as_ref().expect("it is led").roster();
        let request = Request::AllClear { member: "a".into(), alarm: alarm.clone() };
        assert_eq!(driver.act(&target, &Call::new(request, "a", roster)).await, Outcome::Done);
        let none = |it: &View| alarms(it) == [[]];
        until("the alarm is gone", (&driver, &target), none).await;
    }
}
