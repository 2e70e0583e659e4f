use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use registry::Registry;
use serde_json::{Value, json};
use store::{Commit, Key, MemoryStore, Page, Write};

use super::*;
use crate::Identity;
use crate::authz::{Action, On, Ruled};

/// How long anything may take that should happen at once.
const SOON: Duration = Duration::from_secs(10);

fn create(registry: &Registry, plural: &str, value: &Value) -> Write {
    let resource = registry.resource(GROUP, "v1", plural).unwrap();
    let name = value["metadata"]["name"].as_str().unwrap();
    let key = Key::new(&[GROUP, plural, name]).unwrap();
    Write::Create { key, draft: crate::encode::draft(&resource, value) }
}

/// Fails if a commit of rules ends when its first event is in force, and not its last: what needs all of them is asked
/// at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_several_rules_ends_once_all_of_them_are_in_force() {
    let registry = Registry::new([]);
    let authorizer = Arc::<Authorizer>::default();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    follow(store.clone(), authorizer.clone(), CancellationToken::new()).await.unwrap();
    let store = Ruled { store, authorizer: authorizer.clone() };
    for turn in 0..100 {
        let named = |name: String| json!({"metadata": {"name": name}});
        let mut role = named(format!("r{turn}"));
        role["rules"] = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
        let bind = |number: usize| {
            let mut binding = named(format!("b{turn}-{number}"));
            binding["roleRef"] =
                json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": format!("r{turn}")});
            binding["subjects"] = json!([{"kind": "User", "name": format!("u{turn}-{number}")}]);
            create(&registry, "clusterrolebindings", &binding)
        };
        let mut writes: Vec<Write> = (0..20).map(bind).collect();
        writes.push(create(&registry, "clusterroles", &role));
        tokio::time::timeout(SOON, store.commit(writes)).await.unwrap().unwrap();
        for number in 0..20 {
            let identity = Identity::new(&format!("u{turn}-{number}"), &[]);
            let get = On { verb: "get", resource: "pods", ..On::default() };
            let allowed = authorizer.authorize(&identity, &Action::Resource(get));
            assert!(allowed.is_ok(), "turn {turn}: {allowed:?}");
        }
    }
}

/// A store whose rules are read once, whose watch of them ends, and which then does as it is told.
struct Once {
    store: MemoryStore,
    lists: AtomicUsize,
    then: fn() -> Error,
}

#[async_trait]
impl Store for Once {
    fn revision(&self) -> Revision {
        self.store.revision()
    }

    async fn get(&self, key: &Key) -> Result<Option<Arc<Object>>, Error> {
        self.store.get(key).await
    }

    async fn list(&self, prefix: &Prefix, options: ListOptions) -> Result<Page, Error> {
        match self.lists.fetch_add(1, Ordering::Relaxed) {
            0 => self.store.list(prefix, options).await,
            _ => Err((self.then)()),
        }
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, Error> {
        self.store.commit(writes).await
    }

    async fn watch(&self, _: &Prefix, _: Revision) -> Result<Watch, Error> {
        Ok(Box::pin(futures::stream::empty()))
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.store.compact(revision).await
    }
}

/// Fails if a commit of rules waits for ever because nobody follows them any more.
#[tokio::test]
async fn nobody_waits_for_rules_that_are_not_followed() {
    let cases: [fn() -> Error; 2] =
        [|| Error::Stopped("closed".to_owned()), || panic!("a bug in the store")];
    for then in cases {
        let store = Once { store: MemoryStore::new(), lists: AtomicUsize::new(0), then };
        let authorizer = Arc::<Authorizer>::default();
        follow(Arc::new(store), authorizer.clone(), CancellationToken::new()).await.unwrap();
        tokio::time::timeout(SOON, authorizer.reached(Revision(1000))).await.unwrap();
    }
}

/// Fails if the rules of a store that stopped, and still shows what it had, are read again and again.
#[tokio::test]
async fn a_store_that_stopped_is_not_asked_again() {
    let lists = AtomicUsize::new(1);
    let store = Once { store: MemoryStore::new(), lists, then: || Error::Lagged };
    let feed = Feed { store: Arc::new(store), authorizer: Arc::default() };
    let stopped = futures::stream::iter([Err(Error::Stopped("closed".to_owned()))]);
    tokio::time::timeout(SOON, feed.run(Box::pin(stopped))).await.unwrap();
}
