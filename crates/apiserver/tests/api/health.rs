//! What the server says of itself when its store has stopped.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use store::{
    Commit, Error, Key, ListOptions, MemoryStore, Object, Page, Prefix, Revision, Store, Watch,
    Write,
};

use crate::harness::{NoNodes, Server};

/// A store whose disk can be taken away.
struct Disk {
    store: MemoryStore,
    failure: Mutex<Option<Error>>,
}

impl Disk {
    fn check(&self) -> Result<(), Error> {
        self.failure.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Store for Disk {
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
        self.check()?;
        self.store.commit(writes).await
    }

    async fn watch(&self, prefix: &Prefix, after: Revision) -> Result<Watch, Error> {
        match self.check() {
            Ok(()) | Err(Error::Full(_)) => self.store.watch(prefix, after).await,
            Err(error) => Ok(Box::pin(futures::stream::iter([Err(error)]))),
        }
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.store.compact(revision).await
    }
}

#[tokio::test]
async fn a_stopped_store_is_told_reads_go_on_and_writes_are_refused() {
    let disk = Arc::new(Disk { store: MemoryStore::new(), failure: Mutex::default() });
    let server = Server::with(disk.clone(), Arc::new(NoNodes)).await;
    let verbose = server.get("/readyz?verbose").await;
    assert_eq!(verbose.text, "[+]ping ok\n[+]store ok\nreadyz check passed\n");
    let why = "writing to the disk failed: input/output error".to_owned();
    *disk.failure.lock().unwrap() = Some(Error::Stopped(why));
    let failed = server.get("/readyz").await;
    assert_eq!(failed.code, 500);
    assert!(failed.text.contains("[-]store failed: reason withheld"), "{}", failed.text);
    assert_eq!(server.get("/livez/store").await.code, 500);
    assert_eq!(server.get("/livez/ping").await.code, 200);
    assert_eq!(server.get("/readyz?exclude=store").await.code, 200);
    assert_eq!(server.get("/readyz/nonsense").await.code, 404);
    assert_eq!(server.get("/api/v1/namespaces/default").await.code, 200);
    let body = json!({"metadata": {"name": "a"}});
    let message = server.post("/api/v1/namespaces/default/configmaps", body).await.message(503);
    assert!(message.contains("input/output") && message.contains("restart"), "{message}");
}

#[tokio::test]
async fn a_full_store_refuses_writes_with_a_reason_and_is_healthy() {
    let disk = Arc::new(Disk { store: MemoryStore::new(), failure: Mutex::default() });
    let server = Server::with(disk.clone(), Arc::new(NoNodes)).await;
    *disk.failure.lock().unwrap() = Some(Error::Full("there is no room on its disk".to_owned()));
    let body = json!({"metadata": {"name": "a"}});
    let answer = server.post("/api/v1/namespaces/default/configmaps", body.clone()).await;
    let refused = answer.expect(503);
    assert_eq!(refused["reason"], "ServiceUnavailable");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("free disk space") && !message.contains("restart"), "{message}");
    assert_eq!(server.get("/readyz").await.code, 200);
    *disk.failure.lock().unwrap() = None;
    assert_eq!(server.post("/api/v1/namespaces/default/configmaps", body).await.code, 201);
}
