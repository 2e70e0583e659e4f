//! A disk that gets full at any write, and has room again later: nothing acknowledged is lost, nothing refused is
//! there, revisions only go up, and the store goes on by itself.
//!
//! The disk is the recorder of `crash.rs`, whose last write with no room is cut in half.

use std::collections::BTreeMap;

use futures::{FutureExt, StreamExt};

use super::crash::{CACHE_BYTES, Dice, Recorder, State, fresh, state_of};
use super::disk::Disk;
use super::medium::Medium;
use super::{EmbeddedStore, Limits};
use crate::{
    Commit, Draft, Error, Index, Key, ListOptions, Prefix, Revision, Signal, Store, Watch, Write,
};

/// More commits than any run here makes before its disk is full.
const COMMITS: usize = 150;

const COMMITS_AFTER: usize = 8;

struct Run {
    recorder: Recorder,
    store: EmbeddedStore,
    watch: Watch,
    dice: Dice,
    /// All that was acknowledged, and what the events of the watch make.
    acknowledged: State,
    watched: State,
    revision: Revision,
}

fn root() -> Prefix {
    Prefix::new(&[]).unwrap()
}

fn key(number: usize) -> Key {
    Key::new(&["core", "pods", &format!("p{number}")]).unwrap()
}

impl Run {
    async fn new(seed: u8) -> Self {
        let recorder = Recorder::with_image(fresh());
        let (mut medium, loaded) = Medium::open(Box::new(recorder.clone()), CACHE_BYTES).unwrap();
        medium.retry_at_once();
        let revision = loaded.revision;
        let store = EmbeddedStore::start(medium, loaded, Limits::default(), None).unwrap();
        let watch = store.watch(&root(), revision).await.unwrap();
        let (acknowledged, watched) = (State::new(), State::new());
        let dice = Dice::new(seed);
        Self { recorder, store, watch, dice, acknowledged, watched, revision }
    }

    /// Some creation, update or deletion of one of twelve objects.
    fn next(&mut self) -> Write {
        let key = key(self.dice.roll(12));
        let before = vec![b'x'; self.dice.roll(6_000)];
        let draft = Draft { before, after: Vec::new(), index: Index::default() };
        match self.acknowledged.get(&key) {
            None => Write::Create { key, draft },
            Some((expected, _)) if self.dice.roll(3) == 0 => {
                Write::Delete { key, expected: *expected }
            }
            Some((expected, _)) => Write::Update { key, draft, expected: *expected },
        }
    }

    async fn commit(&mut self, write: Write) -> Result<Commit, Error> {
        let deletes = matches!(write, Write::Delete { .. });
        let commit = self.store.commit(vec![write]).await?;
        assert!(commit.revision > self.revision, "{} after {}", commit.revision, self.revision);
        self.revision = commit.revision;
        for object in &commit.objects {
            let state = (object.revision(), object.bytes().to_vec());
            match deletes {
                true => self.acknowledged.remove(object.key()),
                false => self.acknowledged.insert(object.key().clone(), state),
            };
        }
        Ok(commit)
    }

    /// Reads, watches and the disk after a loss of power agree with what was acknowledged.
    async fn check(&mut self, context: &str) {
        let page = self.store.list(&root(), ListOptions::default()).await.unwrap();
        let read: State = page
            .objects
            .iter()
            .map(|it| (it.key().clone(), (it.revision(), it.bytes().to_vec())))
            .collect();
        assert_eq!(read, self.acknowledged, "reads, {context}");
        self.hear();
        assert_eq!(self.watched, self.acknowledged, "the watch, {context}");
        let image = self.recorder.lock().synced(fresh());
        let (_, loaded) = Disk::open(Recorder::with_image(image), CACHE_BYTES).unwrap();
        assert_eq!(state_of(&loaded), self.acknowledged, "the disk, {context}");
        assert_eq!(loaded.revision, self.revision, "the disk, {context}");
    }

    fn hear(&mut self) {
        while let Some(Some(signal)) = self.watch.next().now_or_never() {
            let Signal::Event(event) = signal.expect("watches go on") else { continue };
            match &event.object {
                Some(it) => {
                    let state = (it.revision(), it.bytes().to_vec());
                    self.watched.insert(it.key().clone(), state)
                }
                None => self.watched.remove(event.key()),
            };
        }
    }

    /// Writes until there is no room. What was not written and why, unless the run was too short for that.
    async fn fill(&mut self, commits: usize) -> Option<(Write, Error)> {
        for _ in 0..commits {
            let write = self.next();
            if let Err(error) = self.commit(write.clone()).await {
                return Some((write, error));
            }
        }
        None
    }

    /// With room again: whether a write of which it was not known was made, as a whole; with an error that is sure it
    /// was not.
    async fn settle(&mut self, write: &Write, error: &Error) -> bool {
        let probe = Draft { before: b"x".into(), after: Vec::new(), index: Index::default() };
        self.commit(Write::Create { key: key(1000), draft: probe }).await.unwrap();
        let found = self.store.get(write.key()).await.unwrap();
        let found = found.map(|it| (it.revision(), it.bytes().to_vec()));
        let made = found.as_ref() != self.acknowledged.get(write.key());
        if made {
            assert!(error.to_string().contains("only later"), "{error}");
            match (write, found) {
                (Write::Delete { .. }, None) => drop(self.acknowledged.remove(write.key())),
                (Write::Create { draft, .. } | Write::Update { draft, .. }, Some(found)) => {
                    assert!(found.1.starts_with(&draft.before));
                    self.acknowledged.insert(write.key().clone(), found);
                }
                (write, found) => panic!("{write:?} made {found:?}"),
            }
        }
        made
    }
}

#[tokio::test]
async fn a_disk_may_be_full_at_any_write_and_has_room_later() {
    let mut outcomes = BTreeMap::<(String, bool), usize>::new();
    for writes_left in 0..70 {
        for reserve in [0, 30] {
            let context = format!("full after {writes_left} writes, reserve {reserve}");
            let mut run = Run::new(u8::try_from(writes_left).unwrap()).await;
            {
                let mut disk = run.recorder.lock();
                (disk.writes_left, disk.reserve) = (Some(writes_left), reserve);
            }
            let (write, error) = run.fill(COMMITS).await.unwrap();
            assert!(matches!(error, Error::Full(_)), "{context}: {error}");
            run.check(&context).await;
            run.recorder.lock().writes_left = None;
            let made = run.settle(&write, &error).await;
            run.check(&context).await;
            *outcomes.entry((error.to_string(), made)).or_default() += 1;
            assert_eq!(run.fill(COMMITS_AFTER).await.map(|it| it.1), None, "{context}");
            run.check(&context).await;
            let recorder = run.recorder.clone();
            drop(run.store);
            let image = recorder.lock().image.clone();
            let (_, loaded) = Disk::open(Recorder::with_image(image), CACHE_BYTES).unwrap();
            assert_eq!(state_of(&loaded), run.acknowledged, "{context}");
        }
    }
    assert_eq!(outcomes.len(), 3, "refused; not known, and made or not: {outcomes:?}");
}

/// The reserve is for these. Without one, or with one that is used for what grows, there is no room for them.
#[tokio::test]
async fn deletes_go_on_while_a_disk_is_full() {
    let mut run = Run::new(7).await;
    for number in 0..12 {
        let draft = Draft { before: vec![b'x'; 9000], after: Vec::new(), index: Index::default() };
        run.commit(Write::Create { key: key(number), draft }).await.unwrap();
    }
    (run.recorder.lock().writes_left, run.recorder.lock().reserve) = (Some(0), 400);
    let big = || Draft { before: vec![b'x'; 90_000], after: Vec::new(), index: Index::default() };
    for number in 12..40 {
        let create = Write::Create { key: key(number), draft: big() };
        assert!(matches!(run.commit(create).await, Err(Error::Full(_))));
    }
    for number in 0..12 {
        let expected = run.acknowledged[&key(number)].0;
        let update = Write::Update { key: key(number), draft: big(), expected };
        assert!(matches!(run.commit(update).await, Err(Error::Full(_))));
        let same = Draft { before: vec![b'y'; 9000], after: Vec::new(), index: Index::default() };
        let update = Write::Update { key: key(number), draft: same, expected };
        let expected = run.commit(update).await.unwrap().revision;
        run.commit(Write::Delete { key: key(number), expected }).await.unwrap();
    }
    run.check("after the deletes").await;
    run.recorder.lock().writes_left = None;
    assert_eq!(run.fill(COMMITS_AFTER).await.map(|it| it.1), None);
    run.check("with room again").await;
}

/// Nobody knows then what the disk has, so no reason makes this less than the end.
#[tokio::test]
async fn a_sync_that_finds_no_room_stops_the_store() {
    let mut stopped = 0;
    for writes_left in 0..60 {
        let mut run = Run::new(3).await;
        {
            let mut disk = run.recorder.lock();
            (disk.writes_left, disk.late) = (Some(writes_left), true);
        }
        let (_, error) = run.fill(COMMITS).await.unwrap();
        if let Error::Stopped(_) = &error {
            run.recorder.lock().writes_left = None;
            let again = run.fill(COMMITS_AFTER).await.map(|(_, error)| error);
            assert_eq!(again, Some(error), "it is not tried again");
            stopped += 1;
        }
    }
    assert!(stopped > 3, "{stopped} times a sync was the first to find no room");
}
