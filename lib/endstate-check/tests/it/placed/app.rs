//! A toy application with two roles: controllers that vote, and brokers on which it places pieces of data.

use std::collections::BTreeMap;

use endstate_core::{
    App, AppStep, Cluster, Edge, Growth, Guard, IdSource, Launch, LaunchOf, Lead, MayStop, Member,
    MemberName, Placement, Precondition, Role, Shortage, Topology, VolumeSpec, quorum,
};
use serde::{Deserialize, Serialize};

const CONTROLLER: &str = "controller";
const BROKER: &str = "broker";

/// What is kept in mind of a member: how many pieces it holds, and which steps were taken about it.
pub(crate) const PIECES: u8 = 7;
pub(crate) const TUNED: u8 = 8;
pub(crate) const RELOADED: u8 = 16;

/// The steps of its own, by number.
pub(crate) const TUNE: u8 = 0;
pub(crate) const RELOAD: u8 = 1;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shards {
    pub(crate) durable: bool,
    /// Brokers are tuned, which is harmless and needs all of them.
    pub(crate) tunes: bool,
    /// Controllers are reloaded, which stops them for a moment.
    pub(crate) reloads: bool,
    /// It lets every member stop.
    pub(crate) heedless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    pub(crate) controllers: u8,
    pub(crate) brokers: u8,
}

/// What the controllers know: of each listed member, what is kept in mind of it.
pub(crate) type Known = BTreeMap<MemberName, u8>;

impl Shards {
    /// Both steps, in the order of their numbers.
    pub(crate) fn own_steps(member: &MemberName) -> Vec<AppStep> {
        let brokers = Precondition::Healthy { role: BROKER.into() };
        let tune = AppStep::new("Tune", member.clone()).needs(brokers);
        vec![tune, AppStep::new("Reload", member.clone()).dangerous()]
    }

    /// The step that is due about a member of a role, by its number.
    pub(crate) fn due(self, controls: bool, own: u8) -> Option<u8> {
        match controls {
            true => (self.reloads && own & RELOADED == 0).then_some(RELOAD),
            false => (self.tunes && own & TUNED == 0).then_some(TUNE),
        }
    }
}

impl App for Shards {
    type Spec = Sizes;

    fn name(&self) -> &'static str {
        "shards"
    }

    fn topology(&self, spec: &Sizes) -> Topology {
        let ids = IdSource::Allocated { max: 1_000 };
        let controllers = Role::voting(CONTROLLER, spec.controllers.into()).lead(Lead::Stays);
        let brokers = Role::following(BROKER, spec.brokers.into())
            .placement(Placement::Application)
            .after(Edge::Needs, CONTROLLER);
        let roles = [controllers, brokers].map(|it| it.growth(Growth::Direct).identity(ids));
        Topology::new("1", roles)
    }

    fn launch(&self, member: &LaunchOf<'_, Sizes>) -> Launch {
        let volume = self.durable.then(|| VolumeSpec::new("1Gi"));
        Launch::new("shards:1", Guard::new("/data", &["log/*"]), member).storage(volume)
    }

    fn may_stop(&self, cluster: &Cluster, names: &[&MemberName]) -> MayStop {
        let stays = |it: &&Member| !names.contains(&&it.name) && it.health.is_healthy();
        let (left, all) = (cluster.voters().filter(stays).count(), cluster.voters().count());
        let needed = quorum(all);
        if self.heedless || left >= needed {
            MayStop::Yes
        } else {
            MayStop::NotYet(Shortage::TooFewVoters { left, needed })
        }
    }

    fn steps(&self, _: &Sizes, cluster: &Cluster) -> Vec<AppStep> {
        let known: Known = cluster.facts.read().unwrap_or_default();
        let due = |it: &Member| {
            let number = self.due(*it.role == *CONTROLLER, *known.get(&it.name)?)?;
            Some(Self::own_steps(&it.name).swap_remove(number.into()))
        };
        // Whoever is to be replaced is asked for nothing more: that would hold up its replacement.
        cluster.members.iter().filter(|it| !it.health.is_given_up()).filter_map(due).collect()
    }

    /// Whom the controllers do not know is not known to be empty.
    fn is_drained(&self, cluster: &Cluster, member: &Member) -> bool {
        let known: Known = cluster.facts.read().unwrap_or_default();
        *member.role == *CONTROLLER || known.get(&member.name).is_some_and(|it| it & PIECES == 0)
    }
}
