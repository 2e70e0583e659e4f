//! The store as the server writes to it: a commit of rules ends once they are in force.

use std::sync::Arc;

use async_trait::async_trait;
use store::{Commit, Error, Key, ListOptions, Object, Page, Prefix, Revision, Store, Watch, Write};

use super::{Authorizer, feed};

/// A store whose rules are followed.
pub(crate) struct Ruled {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) authorizer: Arc<Authorizer>,
}

#[async_trait]
impl Store for Ruled {
    fn revision(&self) -> Revision {
        self.store.revision()
    }

    async fn get(&self, key: &Key) -> Result<Option<Arc<Object>>, Error> {
        self.store.get(key).await
    }

    async fn list(&self, prefix: &Prefix, options: ListOptions) -> Result<Page, Error> {
        self.store.list(prefix, options).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, Error> {
        let rules = feed::prefix();
        let concerned = writes.iter().any(|write| rules.contains(write.key()));
        let commit = self.store.commit(writes).await?;
        if concerned {
            self.authorizer.reached(commit.revision).await;
        }
        Ok(commit)
    }

    async fn watch(&self, prefix: &Prefix, after: Revision) -> Result<Watch, Error> {
        self.store.watch(prefix, after).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.store.compact(revision).await
    }
}
