//! A member that goes on alone.

use endstate_core::{App, Identity, Launch, LaunchOf, MemberRecord, Peer, Start, Storage};
use etcd_plan::{Etcd, EtcdClusterSpec};

fn launched(start: &Start, wal: Option<Storage>) -> Launch {
    let object = Identity::new("default", "demo", "0c5f");
    let member = MemberRecord::new("demo-a", "member");
    let spec = EtcdClusterSpec { wal, ..EtcdClusterSpec::new(3, "3.5.16") };
    Etcd.launch(&LaunchOf::new(&object, &spec, &member).start(start))
}

/// Its data is made ready before, and of nobody else's start anything is changed.
#[test]
fn data_is_made_ready_for_one_that_goes_on_alone() {
    let members = vec![Peer::new("demo-a", "http://a:2380", "member").voting(true)];
    let alone = Start::Recover { token: "0c5f-1".into(), members: members.clone() };
    let launch = launched(&alone, None);
    let words = ["/endstate/endstate", "agent", "etcd", "mend", "/usr/local/bin", "/var/lib/etcd"];
    assert_eq!(launch.guard.mend, words);
    let launch = launched(&alone, Some(Storage::default()));
    assert_eq!(launch.guard.mend[..6], words);
    assert_eq!(launch.guard.mend[6..], ["/var/lib/etcd-wal/wal"]);
    let launch = launched(&Start::Resume { members }, None);
    assert!(launch.guard.mend.is_empty());
}
