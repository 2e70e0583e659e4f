//! From the API and the application to one snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use endstate_core::{
    App, Beside, CONSENT_ANNOTATION, Certificate, Choice, Conflict, DATA, Identity, LaunchOf,
    MemberName, MemberRecord, MemberVolume, NodeFault, Place, Record, SeenCertificate, Snapshot,
    Status, Surroundings, Trouble, Uid, Words, claim_of, targets,
};
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use kube::ResourceExt;

use super::declared::Declared;
use super::marks::Belonging;
use super::objects::{Claim, Owner, Secrets, Wanted};
use super::operand::{ObjectsOf, Operand, SpecOf};
use super::places::place;
use super::platform::platform;
use super::pods::member_pod;
use super::reconciler::Operator;
use crate::driver::{Address, Driver, Target};
use crate::{Context, Error, ObjectKey};

/// One look: what is decided on, and the pods as the API has them.
pub(super) struct Look<S> {
    pub(super) snapshot: Snapshot<S>,
    pub(super) pods: Vec<Arc<Pod>>,
    pub(super) secrets: Secrets,
    /// The secrets of certificates that the operator makes.
    pub(super) certificates: Secrets,
}

impl<O: Operand> Operator<O> {
    /// Everything the planner may look at, from one moment: pods first, then the members' own answers.
    pub(super) async fn observe(
        &self,
        object: &Declared<O::Kind>,
        ctx: &Context,
    ) -> Result<Look<SpecOf<O>>, Error> {
        // Before the look: a term that begins during it has not seen what was refused in this one.
        let (key, term) = (ObjectKey::of(object), ctx.fence().term());
        let spec = self.operand.spec(&object.spec).map_err(|it| unreadable("spec", it))?;
        let status = self.operand.status(&object.status).map_err(|it| unreadable("status", it))?;
        let identity = object.identity();
        let owned = self.look_past_the_watch(object, &status.record, ctx).await?;
        let pods = self.members((object, &status.record), &owned, ctx).await?;
        let wanted = status.record.in_force().unwrap_or(&spec);
        let beside = self.beside.of(&key);
        let secrets = self.secrets(object, (&identity, wanted, &beside), ctx).await?;
        let members = targets(&status.record, &pods);
        let target = Target {
            members: addresses(&status.record, &members, &owned, self.operand.container()),
            secrets,
            beside,
            ..Target::new(&identity, wanted)
        };
        let (view, consent) = (self.operand.driver().observe(&target).await, consent(object));
        let view = view.named_by(&status.record).accused_by(consent.as_ref(), &status.record);
        let (secrets, beside) = (target.secrets, target.beside);
        let accepted = status.record.accepted.as_ref();
        let platform = platform(&self.classes.list(), self.around.has_cert_manager());
        let settled = self.operand.app().settle(&spec, accepted.map(|it| &it.spec), &platform);
        let running = pods.iter().filter_map(|it| it.spec.as_ref()).chain(&status.record.proven);
        let running: Vec<_> = running.chain([wanted]).chain(accepted.map(|it| &it.spec)).collect();
        let specs: Vec<_> = running.iter().copied().chain([&settled]).collect();
        let (seen, certificates) = self.certificates(object, (&specs, &beside), ctx).await?;
        let requested = requested(self.operand.app(), &identity, &running);
        let mut snapshot = Snapshot::new(ctx.now(), identity, spec);
        (snapshot.beside, snapshot.platform) = (beside, platform);
        snapshot.claims = self.claims(object, &status.record, ctx).await?;
        snapshot.conflicts = self.conflicts(object, (&snapshot, &status), ctx).await?;
        match self.others_requests(object, &snapshot, requested, ctx).await {
            Ok(others) => snapshot.conflicts.extend(others),
            Err(error) => snapshot.unasked = Some(Words::of(&error.answer())),
        }
        snapshot.former = self.former(object, &status.record);
        snapshot.certificates = seen;
        snapshot.status = status;
        snapshot.pods = Some(pods);
        snapshot.view = view;
        snapshot.blocked = self.refusals().last(&key, term);
        snapshot.places = self.places(&snapshot);
        snapshot.consent = consent;
        snapshot.rejected = self.trial(object, &snapshot, ctx).await;
        Ok(Look { snapshot, pods: owned, secrets, certificates })
    }

    /// Where the members of a snapshot, and of the record that was made of it, are by now.
    pub(super) fn addresses(
        &self,
        snapshot: &Snapshot<SpecOf<O>>,
        record: &Record<SpecOf<O>>,
        pods: &[Arc<Pod>],
    ) -> Vec<Address> {
        let members = targets(record, snapshot.pods.as_deref().unwrap_or_default());
        addresses(record, &members, pods, self.operand.container())
    }

    /// The pods as the planner wants them.
    async fn members(
        &self,
        (object, record): (&Declared<O::Kind>, &Record<SpecOf<O>>),
        owned: &[Arc<Pod>],
        ctx: &Context,
    ) -> Result<Vec<endstate_core::Pod<SpecOf<O>>>, Error> {
        let faults = self.node_faults(owned, ctx).await?;
        let belonging = self.belonging(object, record);
        let owner = Owner::of(object, self.operand.app().name());
        let volumes: BTreeMap<_, _> = self
            .around
            .claims(&owner)
            .iter()
            .filter_map(|it| Some((it.member()?.to_owned(), it.node()?.to_owned())))
            .collect();
        let evictions = self.evictions.of(&object.namespace().unwrap_or_default());
        let member = |pod: &Arc<Pod>| {
            let node = pod.spec.as_ref().and_then(|it| it.node_name.as_deref());
            let node_fault = node.and_then(|it| faults.get(it).copied());
            let seen = member_pod(pod, self.operand.container(), node_fault);
            // One that is not scheduled can only be where its volume is.
            let volume = || volumes.get(seen.name.as_str()).cloned();
            let unscheduled = matches!(seen.trouble, Some(Trouble::Unschedulable { .. }));
            let node = seen.node.clone().or_else(|| unscheduled.then(volume).flatten());
            let eviction = evictions.get(seen.uid.as_str()).cloned();
            endstate_core::Pod { marks: belonging.marks(pod), node, eviction, ..seen }
        };
        Ok(owned.iter().map(member).collect())
    }

    /// How the pods of an object are found, and with whom they go.
    pub(super) fn belonging<'a>(
        &'a self,
        object: &'a Declared<O::Kind>,
        record: &'a Record<SpecOf<O>>,
    ) -> Belonging<'a, O::Kind, SpecOf<O>> {
        let labels = self.operand.labels(&object.identity());
        Belonging { object, record, labels, app: self.operand.app().name() }
    }

    pub(super) async fn secrets(
        &self,
        object: &Declared<O::Kind>,
        (identity, spec, beside): (&Identity, &SpecOf<O>, &[Beside]),
        ctx: &Context,
    ) -> Result<Secrets, Error> {
        let mut names = self.operand.secrets(identity, spec);
        names.extend(beside.iter().flat_map(|it| self.operand.secrets_of(identity, it)));
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let owner = Owner::of(object, self.operand.app().name());
        self.around.secrets(&owner, &names, ctx).await
    }

    /// The certificates that the operator makes, or looks at, for any of these specs and those who are declared.
    async fn certificates(
        &self,
        object: &Declared<O::Kind>,
        (specs, beside): (&[&SpecOf<O>], &[Beside]),
        ctx: &Context,
    ) -> Result<(Vec<SeenCertificate>, Secrets), Error> {
        let (identity, app) = (object.identity(), self.operand.app());
        let wanted = specs.iter().flat_map(|it| app.all_certificates(&identity, it, beside));
        let wanted = by_secret(wanted);
        let owner = Owner::of(object, app.name());
        let asked: Vec<_> = wanted.keys().map(String::as_str).collect();
        let secrets = self.around.secrets(&owner, &asked, ctx).await?;
        let seen = wanted.values().map(|it| {
            let ready = it.given.as_ref().and_then(|_| self.around.ready(&owner, &it.secret));
            secrets.seen(it, ctx.now()).said(ready)
        });
        Ok((seen.collect(), secrets))
    }

    /// The claims: those that the watch shows, and those of recorded members that it does not. A claim that lost its
    /// labels holds its member's data all the same.
    async fn claims(
        &self,
        object: &Declared<O::Kind>,
        record: &Record<SpecOf<O>>,
        ctx: &Context,
    ) -> Result<Vec<endstate_core::Claim>, Error> {
        let owner = Owner::of(object, self.operand.app().name());
        let shown = self.around.claims(&owner);
        let mut claims: Vec<_> =
            shown.iter().filter_map(|it| Some(claim(it, it.member()?))).collect();
        for (member, _) in record.pods() {
            let others = claims.iter().filter(|it| it.member == *member);
            let others = others.flat_map(|it| it.beside.clone());
            let mut volumes: Vec<_> = [DATA.to_owned()].into_iter().chain(others).collect();
            while let Some(volume) = volumes.pop() {
                let name = claim_of(&volume, member);
                if claims.iter().any(|it| it.name == name && it.member == *member) {
                    continue;
                }
                let found = self.around.claim_of(&owner, (&volume, member), ctx).await?;
                let found = found.map(|it| claim(&it, member));
                volumes.extend(found.iter().flat_map(|it| it.beside.clone()));
                claims.extend(found);
            }
        }
        let known: BTreeSet<_> = claims.iter().map(|it| it.uid.clone()).collect();
        let others = shown.iter().filter(|it| !known.contains(it.uid()));
        claims.extend(others.map(nobodys));
        Ok(claims)
    }

    /// What clusters of this name left, until something is started.
    fn former(
        &self,
        object: &Declared<O::Kind>,
        record: &Record<SpecOf<O>>,
    ) -> Vec<endstate_core::Claim> {
        if record.cluster_id.is_some() || record.bootstrap.is_some() {
            return vec![];
        }
        let former = self.around.former(&Owner::of(object, self.operand.app().name()));
        let seen = former.iter().filter(|it| !it.is_deleting()).filter_map(|it| {
            let mut seen = claim(it, it.member()?);
            seen.of_another = it.cluster().map(Uid::from);
            Some(seen)
        });
        seen.collect()
    }

    /// The objects around the members, and the claims of their volumes.
    pub(super) fn wanted(&self, of: &ObjectsOf<'_, SpecOf<O>>) -> Result<Vec<Wanted>, Error> {
        let claims = of.surroundings.volumes.iter().map(Wanted::claim);
        let mut wanted = self.operand.objects(of)?;
        wanted.extend(of.surroundings.certificates.iter().map(Wanted::certificate));
        wanted.extend(claims.collect::<Result<Vec<_>, _>>()?);
        Ok(wanted)
    }

    /// The objects by which cert-manager is asked for certificates.
    pub(super) fn requests(&self, of: &ObjectsOf<'_, SpecOf<O>>) -> Result<Vec<Wanted>, Error> {
        let cluster = (self.operand.app().name(), of.object.name.as_str());
        let requested = of.surroundings.requested.iter();
        let requested = requested.filter_map(|it| Some((it, it.requested.as_ref()?)));
        requested.map(|(it, issuer)| Wanted::request(cluster, it, issuer)).collect()
    }

    /// What has a name that the cluster needs, now or once it is formed, and belongs to somebody else.
    async fn conflicts(
        &self,
        object: &Declared<O::Kind>,
        (snapshot, status): (&Snapshot<SpecOf<O>>, &Status<SpecOf<O>>),
        ctx: &Context,
    ) -> Result<Vec<Conflict>, Error> {
        if snapshot.object.deleting {
            return Ok(vec![]);
        }
        let mut surroundings = Surroundings::default();
        surroundings.clients = true;
        let coming = status.record.step.iter().map(|it| it.member());
        let pods = status.record.pods().map(|(name, _)| name);
        let known = pods.chain(coming).filter_map(|it| status.record.find(it));
        let spec = status.record.in_force().unwrap_or(&snapshot.spec);
        let volumes = |it: &MemberRecord| {
            let of = LaunchOf::new(&snapshot.object, spec, it);
            let launch = self.operand.app().launch(&of.has(snapshot.volumes_of(&it.name)));
            MemberVolume::all_of(it, &launch)
        };
        surroundings.volumes = known.flat_map(volumes).collect();
        let (app, beside) = (self.operand.app(), &snapshot.beside);
        surroundings.certificates = app.all_certificates(&snapshot.object, spec, beside);
        surroundings.certificates.retain(|it| it.given.is_none());
        let of = ObjectsOf::new(&snapshot.object, spec, &surroundings).beside(&snapshot.beside);
        let wanted = self.wanted(&of)?;
        let owner = Owner::of(object, self.operand.app().name());
        let found = self.around.conflicts(&owner, &wanted, ctx).await?;
        let member = |it: &super::Conflict| {
            let wanted = wanted.iter().find(|wanted| wanted.is(&it.kind, &it.name));
            wanted.and_then(Wanted::member).map(MemberName::from)
        };
        Ok(found.iter().map(|it| Conflict::new(&*it.kind, &*it.name).of(member(it))).collect())
    }

    /// The objects of somebody else's in the place of those by which cert-manager is asked. Its webhooks may be down,
    /// which is no reason to leave a cluster alone: so what fails here fails nothing else.
    async fn others_requests(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        requested: Vec<Certificate>,
        ctx: &Context,
    ) -> Result<Vec<Conflict>, Error> {
        if snapshot.object.deleting {
            return Ok(vec![]);
        }
        let mut surroundings = Surroundings::default();
        surroundings.requested = requested;
        let of = ObjectsOf::new(&snapshot.object, &snapshot.spec, &surroundings);
        let owner = Owner::of(object, self.operand.app().name());
        let found = self.around.conflicts(&owner, &self.requests(&of)?, ctx).await?;
        Ok(found.into_iter().map(|it| Conflict::of_request(it.name)).collect())
    }

    /// The nodes, for the members of a spec. Tolerations and selectors are the same for all of them.
    fn places(&self, snapshot: &Snapshot<SpecOf<O>>) -> Vec<Place> {
        let (record, app) = (&snapshot.status.record, self.operand.app());
        let spec = record.in_force().unwrap_or(&snapshot.spec);
        let Some(role) = app.topology(spec).roles.into_iter().next() else { return vec![] };
        let anybody = MemberRecord::new(snapshot.object.name.as_str(), role.name);
        let launch = app.launch(&LaunchOf::new(&snapshot.object, spec, &anybody));
        self.nodes.list().iter().map(|it| place(it, &launch.policy)).collect()
    }

    /// What is wrong with the nodes of these pods; nothing that is known where nodes may not be seen.
    async fn node_faults(
        &self,
        pods: &[Arc<Pod>],
        ctx: &Context,
    ) -> Result<BTreeMap<String, NodeFault>, Error> {
        if self.nodes.is_refused() {
            return Ok(BTreeMap::new());
        }
        let nodes: BTreeSet<_> =
            pods.iter().filter_map(|it| it.spec.as_ref()?.node_name.clone()).collect();
        let mut faults = BTreeMap::new();
        for name in nodes {
            let key = ObjectKey::cluster(name.as_str());
            let node = match self.nodes.get(&key) {
                Some(node) => Some(Node::clone(&node)),
                // The cache may just not have heard of it yet.
                None => ctx.get_live::<Node>(&key).await?,
            };
            let fault = node.as_ref().map_or(Some(NodeFault::Gone), silence);
            faults.extend(fault.map(|it| (name, it)));
        }
        Ok(faults)
    }
}

/// What cert-manager is to fill for these specs.
fn requested<A: App>(app: &A, object: &Identity, specs: &[&A::Spec]) -> Vec<Certificate> {
    let all = specs.iter().flat_map(|it| app.certificates(object, it));
    by_secret(all.filter(|it| it.requested.is_some())).into_values().collect()
}

/// Each secret once, with all who have to believe what is in it: a user may name one for several connections.
fn by_secret(wanted: impl Iterator<Item = Certificate>) -> BTreeMap<String, Certificate> {
    let mut all = BTreeMap::<String, Certificate>::new();
    for mut it in wanted {
        let before = all.get_mut(&it.secret).map(|it| std::mem::take(&mut it.believers));
        it.believers.extend(before.into_iter().flatten());
        all.insert(it.secret.clone(), it);
    }
    all
}

fn claim(claim: &Claim, member: &str) -> endstate_core::Claim {
    let (uid, version) = (claim.uid(), claim.resource_version());
    let mut seen = endstate_core::Claim::new(claim.name(), uid, version, member);
    (seen.retained, seen.deleting) = (claim.is_retained(), claim.is_deleting());
    seen.volume = claim.volume();
    seen.of_role(claim.role().map(Into::into)).beside(claim.beside())
}

/// A claim that does not say whose it is. No member is called so, and nobody deletes it.
fn nobodys(claim: &Claim) -> endstate_core::Claim {
    let mut seen = self::claim(claim, claim.name());
    seen.retained = true;
    seen
}

fn unreadable(what: &str, error: serde_json::Error) -> Error {
    Error::other(format!("the {what} of this object cannot be read, so nothing is done: {error}"))
}

/// What a person decided.
fn consent<K>(object: &Declared<K>) -> Option<Choice> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(CONSENT_ANNOTATION).map(|it| it.as_str().into())
}

/// Where the members are. One whose process is known not to run has no address: asking it would only take the time that
/// a silence takes.
fn addresses<S>(
    record: &Record<S>,
    members: &[MemberName],
    pods: &[Arc<Pod>],
    container: &str,
) -> Vec<Address> {
    let host = |name: &str| {
        let pod = pods.iter().find(|it| it.name_any() == name)?;
        let status = pod.status.as_ref().filter(|it| is_running(it, container))?;
        status.pod_ip.clone().filter(|it| !it.is_empty())
    };
    let address = |name: &MemberName| {
        let address = Address::of(name.clone(), host(name));
        let Some(known) = record.find(name) else { return address };
        address.in_group(known.role.clone(), known.group).id(known.id.clone())
    };
    members.iter().map(address).collect()
}

fn is_running(status: &PodStatus, container: &str) -> bool {
    let mut containers = status.container_statuses.iter().flatten();
    let main = containers.find(|it| it.name == container);
    main.and_then(|it| it.state.as_ref()).is_some_and(|it| it.running.is_some())
}

/// Since when a node does not report, if it does not.
fn silence(node: &Node) -> Option<NodeFault> {
    let mut conditions = node.status.iter().flat_map(|it| it.conditions.iter().flatten());
    let ready = conditions.find(|it| it.type_ == "Ready").filter(|it| it.status == "Unknown")?;
    Some(NodeFault::Silent { since: ready.last_transition_time.as_ref()?.0 })
}
