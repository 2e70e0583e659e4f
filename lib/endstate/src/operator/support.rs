//! The objects around the members: applied when they are missing or differ, never deleted here.
//!
//! An object of the same name that belongs to somebody else is left alone, and said so: taking it over would cut two
//! clusters' clients and members together.

use serde_json::Value;

use super::execute::own;
use super::{
    App, Context, Declared, Error, Operand, Operator, Resource, Snapshot, SpecOf, Support,
};
use crate::{Cache, Object, ObjectKey};

impl<O: Operand> Operator<O> {
    /// What has a name that the cluster needs and belongs to somebody else.
    pub(super) async fn stranger(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        support: &Support,
        ctx: &Context,
    ) -> Result<Option<String>, Error> {
        for service in self.operand.services(&snapshot.object, support) {
            let current = self.current(&self.services, object, &service, ctx).await?;
            if let Some(why) = current.and_then(|it| is_strange(&it, object)) {
                return Ok(Some(why));
            }
        }
        let Some(min_available) = support.min_available else { return Ok(None) };
        let budget = self.operand.budget(&snapshot.object, min_available);
        let current = self.current(&self.budgets, object, &budget, ctx).await?;
        Ok(current.and_then(|it| is_strange(&it, object)))
    }

    /// Brings the services and the disruption budget up to date.
    pub(super) async fn support(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        support: &Support,
        ctx: &Context,
    ) -> Result<(), Error> {
        for service in self.operand.services(&snapshot.object, support) {
            self.keep(&self.services, object, service, ctx).await?;
        }
        let Some(min_available) = support.min_available else { return Ok(()) };
        let budget = self.operand.budget(&snapshot.object, min_available);
        self.keep(&self.budgets, object, budget, ctx).await
    }

    async fn keep<K: Object<DynamicType = ()>>(
        &self,
        cache: &Cache<K>,
        object: &Declared<O::Kind>,
        mut wanted: K,
        ctx: &Context,
    ) -> Result<(), Error> {
        own(&mut wanted, object, self.operand.app().name());
        match self.current(cache, object, &wanted, ctx).await? {
            Some(it) if is_kept(&it, &wanted) => return Ok(()),
            Some(it) => {
                if let Some(why) = is_strange(&it, object) {
                    // It came since the look for strangers.
                    return Err(Error::other(why));
                }
                wanted.meta_mut().uid.clone_from(&it.meta().uid);
            }
            None => {}
        }
        ctx.apply(&wanted).await.map(drop)
    }

    async fn current<K: Object<DynamicType = ()>>(
        &self,
        cache: &Cache<K>,
        object: &Declared<O::Kind>,
        wanted: &K,
        ctx: &Context,
    ) -> Result<Option<K>, Error> {
        let name = wanted.meta().name.clone().unwrap_or_default();
        let key = ObjectKey::new(object.metadata.namespace.as_deref(), &name);
        match cache.get(&key) {
            Some(current) => Ok(Some(K::clone(&current))),
            // The cache holds only what carries our label; a stranger's object does not.
            None => ctx.get_live::<K>(&key).await,
        }
    }
}

/// Says that an object belongs to somebody else, if it does.
fn is_strange<K: Object<DynamicType = ()>, T>(it: &K, owner: &Declared<T>) -> Option<String> {
    let key = ObjectKey::of(it);
    (!belongs_to(it, owner)).then(|| {
        format!(
            "{} {key} exists and belongs to somebody else: give the cluster another name",
            K::kind(&())
        )
    })
}

fn belongs_to<K: Resource, T>(object: &K, owner: &Declared<T>) -> bool {
    let owners = object.meta().owner_references.iter().flatten();
    let uid = owner.metadata.uid.as_deref();
    owners.into_iter().any(|it| it.controller == Some(true) && Some(it.uid.as_str()) == uid)
}

/// Whether an object has everything that is wanted of it. The API adds defaults, so it may have more.
fn is_kept<K: Object>(current: &K, wanted: &K) -> bool {
    let json = |it: &K| serde_json::to_value(it).unwrap_or_default();
    holds(&json(current), &json(wanted))
}

fn holds(current: &Value, wanted: &Value) -> bool {
    match (current, wanted) {
        (Value::Object(current), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| current.get(key).is_some_and(|current| holds(current, value))),
        (Value::Array(current), Value::Array(wanted)) => {
            current.len() == wanted.len()
                && current.iter().zip(wanted).all(|(current, wanted)| holds(current, wanted))
        }
        (current, wanted) => current == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::holds;

    #[test]
    fn defaults_that_the_api_adds_are_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 1}], "selector": {"a": "b"}}});
        let current = json!({"spec": {"ports": [{"port": 1, "protocol": "TCP"}],
            "selector": {"a": "b"}, "type": "ClusterIP"}});
        assert!(holds(&current, &wanted));
    }

    #[test]
    fn what_somebody_changed_is_a_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 1}]}});
        for current in [
            json!({"spec": {"ports": [{"port": 2}]}}),
            json!({"spec": {"ports": [{"port": 1}, {"port": 2}]}}),
            json!({"spec": {}}),
        ] {
            assert!(!holds(&current, &wanted), "{current}");
        }
    }
}
