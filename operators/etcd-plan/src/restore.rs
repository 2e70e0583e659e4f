//! What the data of a new cluster is made from, if it does not begin empty.
//!
//! The first member's launcher has it made before etcd starts; the others join that one as they join any cluster.

use endstate_core::{ClaimFiles, LaunchOf, Peer, SecretFiles, Start, Version};
use serde::{Deserialize, Serialize};

use crate::launch::{DATA_DIR, WAL_DIR};
use crate::spec::EtcdClusterSpec;

/// A backup that a new cluster's data is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// What is to be restored from where, as the program reads it that does so.
    pub what: String,
    /// The secrets that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretFiles>,
    /// The claim that it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimFiles>,
}

/// Where the launcher is in a member's pod: it is that program, too.
const PROGRAM: [&str; 3] = ["/endstate/endstate", "agent", "etcd"];

/// What the program is told of the member whose data it makes.
///
/// ```
/// let member = etcd_plan::Made { name: "demo-a".into(), ..etcd_plan::Made::default() };
/// assert!(serde_json::to_string(&member).unwrap().contains("demo-a"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Where other members find it.
    pub peer_url: String,
    /// The token of the new cluster.
    pub token: String,
    /// Where its data is to be.
    pub data_dir: String,
    /// Where its write-ahead log is to be, if that is apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_dir: Option<String>,
    /// The version of etcd in its image.
    pub version: String,
}

/// The program that makes the data of a cluster's first member, and its arguments; nothing for others.
pub(crate) fn prepare(of: &LaunchOf<'_, EtcdClusterSpec>, version: Version) -> Option<Vec<String>> {
    let restore = of.spec.restore.as_ref()?;
    let Some(Start::New { token, members }) = of.start else { return None };
    let Peer { name, address, .. } = members.iter().find(|it| it.name == of.member.name)?;
    let made = Made {
        name: name.to_string(),
        peer_url: address.clone(),
        token: token.clone(),
        data_dir: DATA_DIR.to_owned(),
        wal_dir: of.storage("wal", of.spec.wal.as_ref()).map(|_| WAL_DIR.to_owned()),
        version: version.to_string(),
    };
    let made = serde_json::to_string(&made).ok()?;
    let words = [restore.what.as_str(), &made].map(str::to_owned);
    Some(
        PROGRAM.map(str::to_owned).into_iter().chain(["restore".to_owned()]).chain(words).collect(),
    )
}

#[cfg(test)]
mod tests {
    use endstate_core::{App, Identity, Launch, MemberRecord};

    use super::*;
    use crate::etcd::Etcd;

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
        assert_eq!(
            words,
            ["/endstate/endstate", "agent", "etcd", "restore", r#"{"from":"there"}"#]
        );
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
        assert_eq!(formation(&spec), Some(endstate_core::Formation::AllAtOnce));
        spec.restore = Some(Restore::default());
        assert_eq!(formation(&spec), Some(endstate_core::Formation::One));
    }
}
