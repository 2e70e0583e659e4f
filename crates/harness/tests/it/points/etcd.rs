//! Who is on etcd's list of members.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use etcd_client::Client;
use harness::{EtcdReach, Line, Up};

/// How often it is asked for.
const LOOK: Duration = Duration::from_millis(200);

/// By id: the name, and whether it is a learner.
pub(super) type List = BTreeMap<u64, (String, bool)>;

/// The list of one cluster as it changes.
pub(super) struct Lists {
    _line: Line,
    reach: EtcdReach,
}

impl Lists {
    pub(super) async fn of(up: &Up, cluster: &str) -> Result<Self> {
        let line = Line::to(up, cluster).await?;
        let reach = EtcdReach::new(up, cluster, &line.address).await?;
        Ok(Self { _line: line, reach })
    }

    /// Tells each list that is another than the one before, for ever.
    pub(super) async fn each(&self, mut tell: impl FnMut(&List)) {
        let mut last = None;
        loop {
            if let Ok(mut client) = self.reach.connect().await {
                while let Ok(list) = list(&mut client).await {
                    if last.as_ref() != Some(&list) {
                        tell(&list);
                        last = Some(list);
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The list as it is.
    pub(super) async fn now(&self) -> Result<List> {
        list(&mut self.reach.connect_in_time().await?).await
    }
}

async fn list(client: &mut Client) -> Result<List> {
    let answer = client.member_list().await?;
    let entry = |it: &etcd_client::Member| (it.id(), (name(it), it.is_learner()));
    Ok(answer.members().iter().map(entry).collect())
}

/// One that has not started yet has told its address, and no name.
fn name(member: &etcd_client::Member) -> String {
    let host = |it: &String| Some(it.split("://").nth(1)?.split(['.', ':']).next()?.to_owned());
    match member.name() {
        "" => member.peer_urls().first().and_then(host).unwrap_or_default(),
        name => name.to_owned(),
    }
}
