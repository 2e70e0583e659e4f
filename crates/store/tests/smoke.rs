//! A first look at the memory engine: one object's life, and who hears of it.

use futures::StreamExt;
use store::{Draft, Error, Key, ListOptions, MemoryStore, Prefix, Revision, Signal, Store, Write};

fn draft(text: &str) -> Draft {
    Draft { before: format!("{text}@").into(), after: Vec::new(), index: Default::default() }
}

#[tokio::test]
async fn one_object() {
    let store = MemoryStore::new();
    let key = Key::new(&["core", "pods", "default", "web"]).unwrap();
    let pods = Prefix::new(&["core", "pods"]).unwrap();
    let mut watch = store.watch(&pods, store.revision()).await.unwrap();
    assert!(matches!(watch.next().await, Some(Ok(Signal::Progress(Revision(1))))));
    let create = Write::Create { key: key.clone(), draft: draft("a") };
    let made = store.commit(vec![create.clone()]).await.unwrap();
    assert_eq!(made.revision, Revision(2));
    assert_eq!(made.objects[0].bytes(), "a@2");
    assert_eq!(store.commit(vec![create]).await.unwrap_err(), Error::Exists(key.clone()));
    let Some(Ok(Signal::Event(event))) = watch.next().await else { panic!("no event") };
    assert_eq!(event.revision, Revision(2));
    assert!(matches!(watch.next().await, Some(Ok(Signal::Progress(Revision(2))))));
    let gone = Write::Delete { key: key.clone(), expected: Revision(2) };
    store.commit(vec![gone]).await.unwrap();
    assert!(store.get(&key).await.unwrap().is_none());
    let at = ListOptions { at: Some(Revision(2)), ..Default::default() };
    assert_eq!(store.list(&pods, at).await.unwrap().objects.len(), 1);
    let other =
        Write::Create { key: Key::new(&["core", "nodes", "n"]).unwrap(), draft: draft("n") };
    store.commit(vec![other]).await.unwrap();
    let Some(Ok(Signal::Event(event))) = watch.next().await else { panic!("no event") };
    assert!(event.object.is_none() && event.previous.is_some());
    let mut last = Revision(0);
    while last < Revision(4) {
        let Some(Ok(Signal::Progress(revision))) = watch.next().await else {
            panic!("no progress")
        };
        last = revision;
    }
}
