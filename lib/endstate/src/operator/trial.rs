//! Whether the API would take a pod that is made from a spec: asked before the spec is accepted, so that no accepted
//! spec keeps members from being made again.

use endstate_core::{App, LaunchOf, MemberRecord, Peer, Role, Severity, Snapshot, Start, Words};
use k8s_openapi::api::core::v1::Pod;

use super::declared::Declared;
use super::execute::own;
use super::marks::place;
use super::operand::{Operand, PodRequest, SpecOf};
use super::reconciler::Operator;
use crate::{Context, template};

/// What no member's name ends with: names are made of other letters.
const NOBODY: &str = "00000";

impl<O: Operand> Operator<O> {
    /// Why the API refuses a pod made from the object's spec, if that is not accepted yet and the application has
    /// nothing against it. Only a refusal of what is in the pod counts: quotas, policies and outages pass.
    pub(super) async fn trial(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        ctx: &Context,
    ) -> Option<Words> {
        let (app, identity) = (self.operand.app(), &snapshot.object);
        let accepted = snapshot.status.record.accepted.as_ref().map(|it| &it.spec);
        let spec = app.settle(&snapshot.spec, accepted, &snapshot.platform);
        let problems = app.validate(identity, &spec);
        let refused = problems.iter().any(|it| it.severity == Severity::Refused);
        if refused || identity.deleting || accepted == Some(&spec) {
            return None;
        }
        for role in app.topology(&spec).roles {
            let pod = self.pod_of(object, snapshot, (&spec, &role));
            match ctx.would_create(&pod).await {
                Err(error) if matches!(error.code(), Some(400 | 422)) => {
                    return Some(Words::of(&error.answer()));
                }
                _ => {}
            }
        }
        None
    }

    fn pod_of(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        (spec, role): (&SpecOf<O>, &Role),
    ) -> Pod {
        let (app, identity) = (self.operand.app(), &snapshot.object);
        let member = MemberRecord::new(format!("{}-{NOBODY}", identity.name), role.name.clone());
        let address = app.address(identity, spec, &member.name);
        let peer = Peer::new(member.name.clone(), address, role.name.clone());
        let start = Start::New { token: identity.uid.to_string(), members: vec![peer] };
        let launch = app.launch(&LaunchOf::new(identity, spec, &member).start(&start));
        let request = PodRequest::new(identity, (&member.name, &start), &launch);
        let mut pod = template::pod(self.operand.container(), &self.launcher_image, &request);
        place(&mut pod, &launch.role, launch.group);
        own(&mut pod, object, app.name());
        pod
    }
}
