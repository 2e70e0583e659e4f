//! ZooKeeper as an operand of the generic operator: the objects around its pods.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use endstate::Error;
use endstate::operator::{ObjectsOf, Operand, Wanted};
use endstate_core::{App, Credentials, Identity};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::ApiResource;
use sha1::{Digest, Sha1};
use zookeeper_plan::{ADMIN_OPTIONS, PORTS, ZooKeeper, ZookeeperClusterSpec};

use crate::crd::ZookeeperCluster;
use crate::driver::{SUPER, ZooKeeperDriver};

/// ZooKeeper, declared by objects of its kind.
#[derive(Debug)]
pub(crate) struct ZooKeeperOperand;

impl Operand for ZooKeeperOperand {
    type App = ZooKeeper;
    type Driver = ZooKeeperDriver;
    type Kind = ZookeeperCluster;

    fn app(&self) -> &ZooKeeper {
        &ZooKeeper
    }

    fn driver(&self) -> &ZooKeeperDriver {
        &ZooKeeperDriver
    }

    fn kinds(&self) -> Vec<ApiResource> {
        vec![ApiResource::erase::<Secret>(&()), ApiResource::erase::<PersistentVolumeClaim>(&())]
    }

    fn objects(&self, of: &ObjectsOf<'_, ZookeeperClusterSpec>) -> Result<Vec<Wanted>, Error> {
        let mut wanted = of.quorum(ZooKeeper.name(), &PORTS)?;
        let credentials = Credentials::of(&of.object.name, of.spec.credential);
        wanted.extend(Wanted::credentials(&credentials, ADMIN_OPTIONS, admin_options));
        Ok(wanted)
    }

    fn secrets(&self, object: &Identity, spec: &ZookeeperClusterSpec) -> Vec<String> {
        Credentials::of(&object.name, spec.credential).names()
    }
}

/// The option of Java's by which a server knows a password: `super:` and the digest of both.
fn admin_options(values: &BTreeMap<String, String>) -> String {
    let user = format!("{SUPER}:{}", values[Credentials::PASSWORD]);
    let digest = BASE64.encode(Sha1::digest(user));
    format!("-Dzookeeper.DigestAuthenticationProvider.superDigest={SUPER}:{digest}\n")
}

#[cfg(test)]
mod tests {
    use endstate::operator::PodRequest;
    use endstate::template;
    use endstate_core::{LaunchOf, MemberRecord, Peer, Start, Surroundings};
    use serde_json::{Value, json};
    use zookeeper_plan::INITIALIZE;

    use super::*;

    fn pod_of(start: &Start) -> Value {
        let (object, spec) =
            (Identity::new("default", "zoo", "0c5f"), ZookeeperClusterSpec::new(3, "3.9.5"));
        let member = MemberRecord::new("zoo-a", "server");
        let of = LaunchOf::new(&object, &spec, &member).start(start);
        let launch = ZooKeeper.launch(&of);
        let name = "zoo-a".into();
        json!(template::pod(
            "zookeeper",
            "endstate:1",
            &PodRequest::new(&object, (&name, start), &launch)
        ))
    }

    /// A blank server with the file may elect itself; one that had data, or joins, never gets it.
    #[test]
    fn only_who_begins_an_ensemble_may_initialize() {
        let members = vec![Peer::new("zoo-a", "zoo-a.zoo-peer", "server").id(Some("1".into()))];
        let (token, members) = (|| "t".to_owned(), || members.clone());
        for (start, initializes, resumes) in [
            (Start::New { token: token(), members: members() }, true, false),
            (Start::Existing { members: members() }, false, false),
            (Start::Resume { members: members() }, false, true),
            (Start::Recover { token: token(), members: members() }, false, true),
        ] {
            let command = pod_of(&start)["spec"]["containers"][0]["command"].clone();
            let has = |word: &str| command.as_array().unwrap().iter().any(|it| it == word);
            assert_eq!((has(INITIALIZE), has("--resume")), (initializes, resumes), "{start:?}");
        }
    }

    #[test]
    fn no_password_is_in_a_pod_and_two_are_kept_while_servers_roll() {
        let object = Identity::new("default", "zoo", "0c5f");
        let mut spec = ZookeeperClusterSpec::new(3, "3.9.5");
        let around = Surroundings::default();
        let names = |spec: &ZookeeperClusterSpec| {
            let wanted = ZooKeeperOperand.objects(&ObjectsOf::new(&object, spec, &around)).unwrap();
            wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let base = "Service zoo-peer, PodDisruptionBudget zoo, ";
        assert_eq!(names(&spec), format!("{base}Secret zoo-admin-1"));
        spec.credential = 3;
        assert_eq!(names(&spec), format!("{base}Secret zoo-admin-3, Secret zoo-admin-2"));
        assert_eq!(ZooKeeperOperand.secrets(&object, &spec), ["zoo-admin-3", "zoo-admin-2"]);
    }
}
