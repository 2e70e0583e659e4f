//! What the disk may hold after power is lost, after it rots, and after it fails, made by a backend that records.
//!
//! `tests/it/kill.rs` kills real processes; but what a killed process wrote is still in the kernel. Here also that is
//! lost: an image is everything up to a completed sync, and any part, in any order, of what was written after it.
//!
//! That it can fail: `a_sync_that_lies_is_caught` has a disk that acknowledges a sync it never did.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use proptest::test_runner::{RngAlgorithm, TestRng};
use redb::StorageBackend;

use super::disk::{Disk, DiskError, Loaded};
use super::medium::Medium;
use super::place::Place;
use super::{EmbeddedStore, Limits};
use crate::stage::Batch;
use crate::versions::{History, Versions};
use crate::{Draft, Error, Index, Key, Prefix, Revision, Store, Write};

pub(super) const CACHE_BYTES: usize = 1 << 20;
const SECTOR: usize = 512;

type Image = Vec<u8>;
/// Objects by key, with revision and bytes.
pub(super) type State = BTreeMap<Key, (Revision, Vec<u8>)>;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Sync,
    /// Not the disk's: here the store told that it made this revision.
    Acknowledge(Revision),
}

/// A disk in memory that remembers what was done to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<Mutex<Recording>>);

#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) image: Image,
    ops: Vec<Op>,
    /// How many more writes find room; `None` is a disk with plenty.
    pub(super) writes_left: Option<usize>,
    /// How many more do when the reserve is spent.
    pub(super) reserve: usize,
    /// A sync says that there is no room, as on network file systems.
    pub(super) late: bool,
    /// Fails the operation when this many more writes and syncs were done, and counts those after it.
    fail_after: Option<usize>,
    after_failure: usize,
}

impl Recorder {
    pub(super) fn with_image(image: Image) -> Self {
        Self(Arc::new(Mutex::new(Recording { image, ..Recording::default() })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap()
    }
}

impl Recording {
    fn fail(&mut self) -> io::Result<()> {
        match &mut self.fail_after {
            Some(0) => {
                self.after_failure += 1;
                Err(io::Error::other("the disk is broken"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn take_room(&mut self) -> io::Result<()> {
        match &mut self.writes_left {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What is sure to be there if power is lost now.
    pub(super) fn synced(&self, base: Image) -> Image {
        let last = self.ops.iter().rposition(|op| matches!(op, Op::Sync)).unwrap_or(0);
        self.ops[..last].iter().fold(base, |mut image, op| {
            match op {
                Op::Write(offset, data) => apply(&mut image, *offset, data),
                Op::SetLen(len) => image.resize(*len, 0),
                Op::Acknowledge(_) | Op::Sync => {}
            }
            image
        })
    }
}

impl Place for Recorder {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }

    fn take_reserve(&self) -> io::Result<()> {
        match self.lock().writes_left {
            None => Ok(()),
            Some(_) => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn spend_reserve(&self) -> io::Result<()> {
        let mut recording = self.lock();
        let reserve = std::mem::take(&mut recording.reserve);
        recording.writes_left.iter_mut().for_each(|left| *left += reserve);
        Ok(())
    }
}

fn apply(image: &mut Image, offset: usize, data: &[u8]) {
    if image.len() < offset + data.len() {
        image.resize(offset + data.len(), 0);
    }
    image[offset..offset + data.len()].copy_from_slice(data);
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let recording = self.lock();
        let from = recording.image.get(place(offset)..place(offset) + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut recording = self.lock();
        recording.fail()?;
        recording.take_room()?;
        recording.image.resize(place(len), 0);
        recording.ops.push(Op::SetLen(place(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut recording = self.lock();
        recording.fail()?;
        if recording.late && recording.writes_left == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        recording.ops.push(Op::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut recording = self.lock();
        recording.fail()?;
        let room = recording.take_room();
        // As much as there was room for.
        let data = if room.is_ok() { data } else { &data[..data.len() / 2] };
        apply(&mut recording.image, place(offset), data);
        recording.ops.push(Op::Write(place(offset), data.to_vec()));
        room
    }
}

/// Numbers from a seed.
pub(super) struct Dice(TestRng);

impl Dice {
    pub(super) fn new(seed: u8) -> Self {
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        use proptest::prelude::Rng;
        place(self.0.next_u64()) % sides
    }
}

/// A run of a store: the disk it was on at first, what was done to it, and each state it went through.
struct Run {
    base: Image,
    recorder: Recorder,
    states: BTreeMap<Revision, State>,
}

pub(super) fn fresh() -> Image {
    let recorder = Recorder::default();
    Disk::create(recorder.clone(), CACHE_BYTES).unwrap();
    std::mem::take(&mut recorder.lock().image)
}

pub(super) fn state_of(loaded: &Loaded) -> State {
    let entry = |object: &Arc<crate::Object>| {
        (object.key().clone(), (object.revision(), object.bytes().to_vec()))
    };
    loaded.objects.iter().map(entry).collect()
}

fn write(versions: &Versions, dice: &mut Dice) -> Write {
    let key = Key::new(&["core", "pods", &format!("p{}", dice.roll(40))]).unwrap();
    let before = vec![b'x'; dice.roll(2000)];
    let draft = Draft { before, after: Vec::new(), index: Index::default() };
    match versions.get(&key).map(|object| object.revision()) {
        None => Write::Create { key, draft },
        Some(expected) if dice.roll(3) == 0 => Write::Delete { key, expected },
        Some(expected) => Write::Update { key, draft, expected },
    }
}

/// Writes groups of commits to a disk, and leaves it open: a crash never closes.
fn run(dice: &mut Dice, groups: usize) -> (Run, Disk) {
    let base = fresh();
    let recorder = Recorder::with_image(base.clone());
    let (mut disk, loaded) = Disk::open(recorder.clone(), CACHE_BYTES).unwrap();
    let mut versions = Versions::new(loaded.revision, [], History::default());
    let mut states = BTreeMap::from([(loaded.revision, State::new())]);
    for _ in 0..groups {
        let mut batch = Batch::new(&versions);
        for _ in 0..=dice.roll(4) {
            // A second write of one key in a group fails its guard; then there is one commit less.
            let _ = batch.stage(vec![write(&versions, dice)]);
        }
        let changes = batch.into_changes();
        disk.write(&changes).unwrap();
        for change in changes {
            let mut state = states.last_key_value().unwrap().1.clone();
            for event in &change.events {
                match &event.object {
                    Some(it) => {
                        state.insert(it.key().clone(), (it.revision(), it.bytes().to_vec()))
                    }
                    None => state.remove(event.key()),
                };
            }
            states.insert(change.revision, state);
            versions.apply(change);
        }
        recorder.lock().ops.push(Op::Acknowledge(versions.revision()));
    }
    (Run { base, recorder, states }, disk)
}

impl Run {
    /// An image after `count` operations, and the newest revision acknowledged by then. With `lie`, the disk did
    /// nothing at the last sync.
    fn crash(&self, count: usize, dice: &mut Dice, lie: bool) -> (Image, Revision) {
        let recording = self.recorder.lock();
        let ops = &recording.ops[..count];
        let syncs = ops.iter().enumerate().filter(|(_, op)| matches!(op, Op::Sync));
        let safe = syncs.map(|(place, _)| place).rev().nth(usize::from(lie)).unwrap_or(0);
        let mut image = self.base.clone();
        let mut acknowledged = Revision::FIRST;
        for (place, op) in ops.iter().enumerate() {
            match op {
                Op::Write(offset, data) if place < safe => apply(&mut image, *offset, data),
                Op::Write(offset, data) => tear(&mut image, *offset, data, dice),
                Op::SetLen(len) if place < safe || dice.roll(2) == 0 => image.resize(*len, 0),
                Op::Acknowledge(revision) => acknowledged = *revision,
                Op::SetLen(_) | Op::Sync => {}
            }
        }
        (image, acknowledged)
    }

    /// What is wrong with an image.
    fn check(&self, image: Image, acknowledged: Revision) -> Result<(), String> {
        let (disk, loaded) = Disk::open(Recorder::with_image(image), CACHE_BYTES)
            .map_err(|error| format!("does not open: {error}"))?;
        drop(disk);
        if loaded.revision < acknowledged {
            return Err(format!("{acknowledged} was told, {} is there", loaded.revision));
        }
        match self.states.get(&loaded.revision) {
            Some(state) if *state == state_of(&loaded) => Ok(()),
            Some(_) => Err(format!("revision {} holds other objects", loaded.revision)),
            None => Err(format!("revision {} was never made", loaded.revision)),
        }
    }
}

/// Writes none, all, or any sectors of what was on its way to the disk.
fn tear(image: &mut Image, offset: usize, data: &[u8], dice: &mut Dice) {
    let mode = dice.roll(3);
    for (number, sector) in data.chunks(SECTOR).enumerate() {
        if mode == 0 || (mode == 1 && dice.roll(2) == 0) {
            apply(image, offset + number * SECTOR, sector);
        }
    }
}

#[test]
fn every_crash_image_opens_with_all_that_was_acknowledged() {
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        let (run, _disk) = run(&mut dice, 30);
        let ops = run.recorder.lock().ops.len();
        for number in 0..60 {
            let count = dice.roll(ops + 1);
            let (image, acknowledged) = run.crash(count, &mut dice, false);
            let result = run.check(image, acknowledged);
            assert_eq!(result, Ok(()), "seed {seed}, image {number}, after {count} of {ops}");
        }
    }
}

#[test]
fn a_sync_that_lies_is_caught() {
    let mut dice = Dice::new(9);
    let (run, _disk) = run(&mut dice, 30);
    let ops = run.recorder.lock().ops.len();
    let mut crash = || {
        let count = dice.roll(ops + 1);
        let (image, acknowledged) = run.crash(count, &mut dice, true);
        run.check(image, acknowledged)
    };
    let caught = (0..60).filter(|_| crash().is_err()).count();
    assert!(caught >= 10, "only {caught} of 60 images");
}

/// An image of a store that was closed, with one bit or the end of it gone: all of it is there, or it is refused.
#[test]
fn rot_is_refused_or_harmless() {
    let mut dice = Dice::new(21);
    let (run, disk) = run(&mut dice, 30);
    drop(disk);
    let image = run.recorder.lock().image.clone();
    let newest = *run.states.last_key_value().unwrap().0;
    let (mut refused, mut harmless) = (0, 0);
    for number in 0..300 {
        let mut damaged = image.clone();
        // Most of the file is not in use; its first pages always are.
        let within = if dice.roll(2) == 0 { 16 << 10 } else { image.len() };
        let place = dice.roll(within);
        if number % 4 == 0 {
            damaged.truncate(place)
        } else {
            damaged[place] ^= 1 << dice.roll(8)
        }
        let opened = std::panic::catch_unwind(|| {
            Disk::open(Recorder::with_image(damaged), CACHE_BYTES).map(|(_, loaded)| loaded)
        });
        match opened {
            Ok(Ok(loaded)) => {
                assert_eq!(loaded.revision, newest, "damage {number} at {place}");
                assert_eq!(state_of(&loaded), run.states[&newest], "damage {number} at {place}");
                harmless += 1;
            }
            Ok(Err(DiskError::Damaged(_) | DiskError::Format(_))) => refused += 1,
            Ok(Err(error)) => panic!("damage {number} at {place}: not called damage: {error:?}"),
            Err(_) => panic!("damage {number} at {place}: a panic instead of an error"),
        }
    }
    assert!(refused > 50 && harmless > 50, "{refused} refused, {harmless} harmless");
}

async fn put(store: &dyn Store, name: usize) -> Result<Revision, Error> {
    let key = Key::new(&["core", "pods", &name.to_string()]).unwrap();
    let draft = Draft { before: vec![b'x'; 500], after: Vec::new(), index: Index::default() };
    Ok(store.commit(vec![Write::Create { key, draft }]).await?.revision)
}

/// The disk breaks at any operation: the commit under way and all later ones are refused, nothing is tried again, reads
/// go on with what was acknowledged, watches end, and all of that is there when it is opened again.
#[tokio::test]
async fn a_broken_disk_stops_the_store() {
    use futures::StreamExt;
    for fail_after in 0..24 {
        let recorder = Recorder::with_image(fresh());
        let (medium, loaded) = Medium::open(Box::new(recorder.clone()), CACHE_BYTES).unwrap();
        let store = EmbeddedStore::start(medium, loaded, Limits::default(), None).unwrap();
        let root = Prefix::new(&[]).unwrap();
        let watch = store.watch(&root, Revision::FIRST).await.unwrap();
        recorder.lock().fail_after = Some(fail_after);
        let mut acknowledged = Revision::FIRST;
        let stopped = loop {
            match put(&store, place(acknowledged.0)).await {
                Ok(revision) => acknowledged = revision,
                Err(error) => break error,
            }
            assert!(acknowledged.0 < 100, "a commit that was not written is acknowledged");
        };
        assert!(matches!(&stopped, Error::Stopped(why) if why.contains("broken")), "{stopped:?}");
        assert_eq!(put(&store, 0).await, Err(stopped.clone()));
        assert_eq!(store.revision(), acknowledged);
        let page = store.list(&root, crate::ListOptions::default()).await.unwrap();
        assert_eq!(page.objects.len() as u64, acknowledged.0 - 1);
        let signals: Vec<_> = watch.collect().await;
        assert_eq!(signals.last().unwrap().as_ref().err(), Some(&stopped));
        let after = store.watch(&root, acknowledged).await.unwrap().next().await;
        assert!(matches!(after, Some(Err(Error::Stopped(_)))), "{after:?}");
        drop(store);
        assert_eq!(recorder.lock().after_failure, 1, "a failed operation is not tried again");
        let image = recorder.lock().image.clone();
        let (_, loaded) = Disk::open(Recorder::with_image(image), CACHE_BYTES).unwrap();
        assert!(loaded.revision >= acknowledged);
    }
}
