//! Clusters that begin with the data of a backup.

use endstate_core::{
    App, ClaimFiles, Formation, Identity, Launch, LaunchOf, MemberRecord, Peer, Restore,
    SecretFiles, Start,
};
use etcd_plan::{Etcd, EtcdClusterSpec, Made};

fn launched(start: Option<&Start>) -> Launch {
    let object = Identity::new("default", "demo", "0c5f");
    let member = MemberRecord::new("demo-a", "member");
    let secrets = vec![SecretFiles::new("archive-keys", "keys", "/archive-keys")];
    let claim = Some(ClaimFiles::new("archive", "backups", "/archive"));
    let restore = Restore { what: r#"{"from":"there"}"#.into(), secrets, claim };
    let spec = EtcdClusterSpec { restore: Some(restore), ..EtcdClusterSpec::new(3, "3.5.16") };
    let of = LaunchOf::new(&object, &spec, &member);
    Etcd.launch(&match start {
        Some(start) => of.start(start),
        None => of,
    })
}

/// The others copy it, and nobody who has it asks for it again.
#[test]
fn data_is_restored_by_the_first_member_alone_and_once() {
    let members = vec![Peer::new("demo-a", "http://a:2380", "member").voting(true)];
    let new = Start::New { token: "0c5f-1".into(), members: members.clone() };
    let launch = launched(Some(&new));
    let [program, agent, etcd, restore, what, made] = &launch.guard.prepare[..] else {
        panic!("{:?}", launch.guard.prepare)
    };
    let words = [program, agent, etcd, restore, what].map(String::as_str);
    assert_eq!(words, ["/endstate/endstate", "agent", "etcd", "restore", r#"{"from":"there"}"#]);
    let made: Made = serde_json::from_str(made).unwrap();
    assert_eq!(
        (&*made.peer_url, &*made.token, &*made.version),
        ("http://a:2380", "0c5f-1", "3.5.16")
    );
    assert_eq!((launch.claims.len(), launch.secrets.len()), (1, 1));
    let later = [Start::Existing { members: members.clone() }, Start::Resume { members }];
    for start in later.iter().map(Some).chain([None]) {
        let launch = launched(start);
        assert!(launch.guard.prepare.is_empty() && launch.claims.is_empty());
        assert!(launch.secrets.is_empty(), "{:?}", launch.secrets);
    }
}

#[test]
fn a_cluster_with_the_data_of_a_backup_begins_with_one_member() {
    let formation = |it: &EtcdClusterSpec| Etcd.topology(it).voting().map(|it| it.formation);
    let mut spec = EtcdClusterSpec::new(3, "3.5.16");
    assert_eq!(formation(&spec), Some(Formation::AllAtOnce));
    spec.restore = Some(Restore::default());
    assert_eq!(formation(&spec), Some(Formation::One));
}
