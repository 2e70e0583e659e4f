//! ZooKeeper as an operand of the generic operator: its pods, and the objects around them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use endstate::Error;
use endstate::launcher::{Guard, Question, Seed};
use endstate::operator::{Credentials, ObjectsOf, Operand, PodRequest, Wanted};
use endstate::template::{self, PodTemplate, Probes};
use endstate_core::{App, Identity, Launch, Start};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::ApiResource;
use sha1::{Digest, Sha1};
use zookeeper_plan::{
    ADMIN_DIR, ADMIN_OPTIONS, CLIENT_PORT, DATA_DIR, INITIALIZE, LIST_KEY, PORTS, PRESENT,
    ZooKeeper, ZookeeperClusterSpec, files,
};

use crate::crd::ZookeeperCluster;
use crate::driver::{SUPER, ZooKeeperDriver};

/// ZooKeeper, declared by objects of its kind.
#[derive(Debug)]
pub(crate) struct ZooKeeperOperand {
    pub(crate) launcher_image: String,
}

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

    fn pod(&self, request: PodRequest<'_>) -> Pod {
        let spec: ZookeeperClusterSpec = request.launch.made_from();
        let guard = guard(&request, &spec);
        let mut template = PodTemplate::new(ZooKeeper.name(), guard, &self.launcher_image);
        // A server that looks for a leader lives: its port is open. It serves, and counts for the disruption budget,
        // when it has one.
        let serves = Question::new(CLIENT_PORT, "srvr", "Mode: ");
        template.probes = Probes::of(template::opens("client"), template::asks(&serves));
        template.volume(template::claim("data", request.member), DATA_DIR);
        let secret = Credentials::of(&request.object.name, spec.credential).newest();
        template.volume(template::secret("admin", &secret), ADMIN_DIR);
        template.pod(&request, &spec.pod)
    }

    fn changed_pod(&self, pod: &Pod, launch: &Launch) -> Pod {
        template::changed(pod, launch, |spec: ZookeeperClusterSpec| spec.pod)
    }

    fn kinds(&self) -> Vec<ApiResource> {
        vec![ApiResource::erase::<Secret>(&()), ApiResource::erase::<PersistentVolumeClaim>(&())]
    }

    fn objects(&self, of: &ObjectsOf<'_, ZookeeperClusterSpec>) -> Result<Vec<Wanted>, Error> {
        let mut wanted = of.quorum(ZooKeeper.name(), &PORTS)?;
        let credentials = Credentials::of(&of.object.name, of.spec.credential);
        wanted.extend(credentials.wanted(ADMIN_OPTIONS, admin_options));
        Ok(wanted)
    }

    fn secrets(&self, object: &Identity, spec: &ZookeeperClusterSpec) -> Vec<String> {
        Credentials::of(&object.name, spec.credential).names()
    }
}

/// How a start is guarded. Only who begins an ensemble may begin without data; who joins gets the leader's.
fn guard(request: &PodRequest<'_>, spec: &ZookeeperClusterSpec) -> Guard {
    let [(id_path, id), (config_path, config), (list_path, list)] =
        files(spec, request.member, request.start);
    let guard = Guard::new(DATA_DIR, &PRESENT)
        .class_path(&format!("/apache-zookeeper-{}-bin/lib", spec.version))
        .seed(Seed::text(id, id_path))
        .seed(Seed::text(config, config_path).keeping(LIST_KEY))
        .seed(Seed::text_once(list, list_path));
    match request.start {
        Start::New { .. } => guard.first_start_file(INITIALIZE),
        _ => guard,
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
    use endstate_core::{LaunchOf, MemberRecord, Peer, Surroundings};
    use serde_json::{Value, json};

    use super::*;

    fn pod_of(start: &Start) -> Value {
        let (object, spec) =
            (Identity::new("default", "zoo", "0c5f"), ZookeeperClusterSpec::new(3, "3.9.5"));
        let member = MemberRecord::new("zoo-a", "server");
        let of = LaunchOf::new(&object, &spec, &member).start(start);
        let launch = ZooKeeper.launch(&of);
        let operand = ZooKeeperOperand { launcher_image: "endstate:1".into() };
        let name = "zoo-a".into();
        let request = PodRequest::new(&object, (&name, start), &launch);
        json!(operand.pod(request))
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
        let operand = ZooKeeperOperand { launcher_image: "endstate:1".into() };
        let names = |spec: &ZookeeperClusterSpec| {
            let wanted = operand.objects(&ObjectsOf::new(&object, spec, &around)).unwrap();
            wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let base = "Service zoo-peer, PodDisruptionBudget zoo, ";
        assert_eq!(names(&spec), format!("{base}Secret zoo-admin-1"));
        spec.credential = 3;
        assert_eq!(names(&spec), format!("{base}Secret zoo-admin-3, Secret zoo-admin-2"));
        assert_eq!(operand.secrets(&object, &spec), ["zoo-admin-3", "zoo-admin-2"]);
    }
}
