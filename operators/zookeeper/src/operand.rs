//! ZooKeeper as an operand of the generic operator: its pods, and the objects around them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use endstate::Error;
use endstate::launcher::{Guard, Question, Seed};
use endstate::operator::{Generated, ObjectsOf, Operand, Ownership, PodRequest, Wanted};
use endstate::template::{self, PodTemplate, Probes};
use endstate_core::{App, ClusterObjects, Identity, Launch, Start};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, Pod, Probe, Secret, Service, TCPSocketAction,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ApiResource;
use serde::Deserialize;
use serde_json::Value;
use sha1::{Digest, Sha1};
use zookeeper_plan::{
    ADMIN_DIR, ADMIN_OPTIONS, CLIENT_PORT, DATA_DIR, ELECTION_PORT, INITIALIZE, LIST_KEY, PRESENT,
    QUORUM_PORT, ZooKeeper, ZookeeperClusterSpec, admin_secret, client_service, files,
    peer_service,
};

use crate::crd::{self, ZookeeperCluster};
use crate::driver::{PASSWORD, SUPER, ZooKeeperDriver, credentials};

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

    fn spec(&self, spec: &Value) -> Result<ZookeeperClusterSpec, serde_json::Error> {
        crd::ZookeeperClusterSpec::deserialize(spec).map(Into::into)
    }

    fn pod(&self, request: PodRequest<'_>) -> Pod {
        let spec: ZookeeperClusterSpec = serde_json::from_str(&request.launch.spec)
            .expect("a launch carries the spec it was made from");
        let guard = guard(&request, &spec);
        let mut template = PodTemplate::new(ZooKeeper.name(), guard, &self.launcher_image);
        template.subdomain = Some(peer_service(&request.object.name));
        template.probes = probes();
        template.volume(template::claim("data", request.member), DATA_DIR);
        let secret = admin_secret(&request.object.name, spec.credential);
        template.volume(template::secret("admin", &secret), ADMIN_DIR);
        template.pod(&request, &spec.pod)
    }

    fn changed_pod(&self, pod: &Pod, launch: &Launch) -> Pod {
        template::changed(pod, launch, |spec: ZookeeperClusterSpec| spec.pod)
    }

    fn kinds(&self) -> Vec<ApiResource> {
        vec![
            ApiResource::erase::<Service>(&()),
            ApiResource::erase::<PodDisruptionBudget>(&()),
            ApiResource::erase::<Secret>(&()),
            ApiResource::erase::<PersistentVolumeClaim>(&()),
        ]
    }

    fn objects(&self, of: &ObjectsOf<'_, ZookeeperClusterSpec>) -> Result<Vec<Wanted>, Error> {
        let (name, spec) = (&of.object.name, of.spec);
        let objects = ClusterObjects::new(ZooKeeper.name(), of.object);
        let client = ("client", CLIENT_PORT);
        let ports = [client, ("quorum", QUORUM_PORT), ("election", ELECTION_PORT)];
        let peers = objects.peer_service(&peer_service(name), &ports);
        let clients = objects.client_service(&client_service(name), &[client]);
        let budget = objects.disruption_budget(name, of.surroundings.min_available);
        let owned = [Some(peers), of.surroundings.clients.then_some(clients), Some(budget)];
        let owned = owned.into_iter().flatten().map(|it| Wanted::new(it, Ownership::Owned));
        let secrets = credentials(spec).map(|it| Ok(secret(name, it)));
        let volume = &spec.storage;
        let volume = endstate_core::VolumeSpec::new(&volume.size)
            .class(volume.class.clone())
            .retention(volume.retention);
        let claims = of.surroundings.volumes.iter().map(|it| Wanted::claim(it, &volume));
        owned.chain(secrets).chain(claims).collect()
    }

    fn secrets(&self, object: &Identity, spec: &ZookeeperClusterSpec) -> Vec<String> {
        credentials(spec).map(|it| admin_secret(&object.name, it)).collect()
    }
}

/// How a start is guarded. Only who begins an ensemble may begin without data; who joins gets the leader's.
fn guard(request: &PodRequest<'_>, spec: &ZookeeperClusterSpec) -> Guard {
    let files = files(spec, request.member, request.start);
    let guard = Guard::new(DATA_DIR, &PRESENT)
        .seed(Seed::text(files.my_id.1, files.my_id.0))
        .seed(Seed::text(files.config.1, files.config.0).keeping(LIST_KEY))
        .seed(Seed::text_once(files.list.1, files.list.0));
    match request.start {
        Start::New { .. } => guard.first_start_file(INITIALIZE),
        Start::Existing { .. } => guard,
        Start::Resume { .. } | Start::Recover { .. } => guard.resume(),
    }
}

/// A password, and the option of Java's by which a server knows it: `super:` and the digest of both.
fn secret(cluster: &str, credential: u32) -> Wanted {
    let keys = vec![Generated::new(PASSWORD, 24)];
    let name = admin_secret(cluster, credential);
    Wanted::generated(&name, keys, Ownership::Owned).derived(ADMIN_OPTIONS, |values| {
        let digest = BASE64.encode(Sha1::digest(format!("{SUPER}:{}", values[PASSWORD])));
        format!("-Dzookeeper.DigestAuthenticationProvider.superDigest={SUPER}:{digest}\n")
    })
}

/// A server that looks for a leader lives: its port is open. It serves, and counts for the disruption budget, when it
/// has one.
fn probes() -> Probes {
    let port = IntOrString::String("client".to_owned());
    let open = Probe { tcp_socket: Some(TCPSocketAction { host: None, port }), ..Probe::default() };
    let serves = Question::new(CLIENT_PORT, "srvr", "Mode: ");
    let every = |period, failures, probe: Probe| Probe {
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..probe
    };
    Probes::default()
        .startup(every(1, 600, open.clone()))
        .liveness(every(10, 6, open))
        .readiness(every(2, 2, template::asks(&serves)))
}

#[cfg(test)]
mod tests {
    use endstate_core::{LaunchOf, MemberRecord, Peer, Surroundings};
    use serde_json::json;

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
        let mut around = Surroundings::default();
        around.volumes.push("zoo-a".into());
        let operand = ZooKeeperOperand { launcher_image: "endstate:1".into() };
        let names = |spec: &ZookeeperClusterSpec| {
            let wanted = operand.objects(&ObjectsOf::new(&object, spec, &around)).unwrap();
            wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let base = "Service zoo-peer, PodDisruptionBudget zoo, ";
        let claim = ", PersistentVolumeClaim data-zoo-a";
        assert_eq!(names(&spec), format!("{base}Secret zoo-admin-1{claim}"));
        spec.credential = 3;
        assert_eq!(names(&spec), format!("{base}Secret zoo-admin-3, Secret zoo-admin-2{claim}"));
        assert_eq!(operand.secrets(&object, &spec), ["zoo-admin-3", "zoo-admin-2"]);
    }
}
