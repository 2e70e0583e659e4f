//! Clients that read, write and swap keys of one etcd at the same time, and write down what they were answered: there
//! must be one order of what they did that explains all of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use endstate_linear::kv::{self, Action, Condition, Entry, Input, Outcome, Output, Revision};
use endstate_linear::{Budget, Client, History, Operation, Verdict};
use etcd_client::{Compare, CompareOp, KeyValue, ResponseHeader, Txn, TxnOp};
use tokio::task::JoinHandle;

use crate::{EtcdReach, Line, Up};

const CLIENTS: u32 = 4;
/// How many keys are in use at a time.
const KEYS: u64 = 16;
/// How often each is used, before others are: a long history of one key is hard to check.
const USES: u64 = 400;
/// A call that is not answered by then counts as unknown.
const CALL_MAX: Duration = Duration::from_secs(2);
/// How long a client rests after each call, and before it tries to connect again.
const PACE: Duration = Duration::from_millis(4);

type Done = Operation<Input, Output>;

/// What the clients did and were answered.
pub type ClientsHistory = History<Input, Output>;

/// The clients.
pub struct Clients {
    state: Arc<State>,
    tasks: Vec<JoinHandle<()>>,
    reach: EtcdReach,
    /// The way that is theirs alone.
    _line: Option<Line>,
}

struct State {
    begin: Instant,
    prefix: String,
    pace: Duration,
    end: AtomicBool,
    /// How many operations were begun.
    begun: AtomicU64,
    writes: AtomicU64,
    reads: AtomicU64,
    done: Mutex<Vec<Done>>,
}

impl Clients {
    /// Starts them. Nobody has used the cluster before.
    pub async fn start(up: &Up, cluster: &str) -> Result<Self> {
        let line = Line::to(up, cluster).await?;
        let reach = EtcdReach::new(up, cluster, &line.address).await?;
        Ok(Self { _line: Some(line), ..Self::below(&reach, "clients/", PACE) })
    }

    /// Starts them on keys below a prefix, none of which is there. Each rests for so long after each call.
    pub fn below(reach: &EtcdReach, prefix: &str, pace: Duration) -> Self {
        let state = Arc::new(State {
            begin: Instant::now(),
            prefix: prefix.to_owned(),
            pace,
            end: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            done: Mutex::default(),
        });
        let task = |number| tokio::spawn(run(reach.clone(), Arc::clone(&state), Client(number)));
        let tasks = (1..=CLIENTS).map(task).collect();
        Self { state, tasks, reach: reach.clone(), _line: None }
    }

    /// How many writes were acknowledged and reads answered.
    pub fn count(&self) -> (u64, u64) {
        (self.state.writes.load(Ordering::Relaxed), self.state.reads.load(Ordering::Relaxed))
    }

    /// Ends them, reads every key once more, and gives what they did.
    pub async fn end(self) -> Result<ClientsHistory> {
        self.state.end.store(true, Ordering::Relaxed);
        let count = self.count();
        ensure!(count.0 > 0 && count.1 > 0, "{count:?} writes and reads were answered");
        for task in self.tasks {
            task.await?;
        }
        let last =
            tokio::time::timeout(Duration::from_secs(300), read_all(&self.reach, &self.state));
        last.await.context("nobody answers")?;
        Ok(History::new(std::mem::take(&mut *self.state.done()))?)
    }

    /// Ends them, and fails unless one order explains all answers. Gives the numbers of writes and reads.
    pub async fn check(self) -> Result<(u64, u64)> {
        let count = self.count();
        let history = self.end().await?;
        let checked = tokio::task::spawn_blocking(move || kv::check(&history, Budget::USUAL));
        match checked.await? {
            Verdict::Linearizable => Ok(count),
            verdict => bail!("clients were answered what no order explains: {verdict}"),
        }
    }
}

impl State {
    fn done(&self) -> std::sync::MutexGuard<'_, Vec<Done>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).expect("a few years fit")
    }

    /// Makes a call and writes down what came of it. Whether it was answered.
    async fn make(
        &self,
        by: Client,
        client: &mut etcd_client::Client,
        input: Input,
    ) -> Option<Output> {
        let called = self.now();
        let answer = tokio::time::timeout(CALL_MAX, ask(client, &input)).await;
        let answer = answer.ok().and_then(Result::ok);
        let is_read = input.action == Action::Get;
        let operation = Operation::new(by, called, input);
        match &answer {
            Some(output) => {
                let told = operation.answered(self.now(), output.clone());
                self.done().push(told);
                let count = if is_read { &self.reads } else { &self.writes };
                count.fetch_add(1, Ordering::Relaxed);
            }
            // A read that was not answered has done nothing.
            None if is_read => {}
            None => self.done().push(operation),
        }
        answer
    }
}

fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}{:04}/{:02}", number / (KEYS * USES), number % KEYS)
}

/// Reads, writes, and swaps what it has read last if nobody has written since.
async fn run(reach: EtcdReach, state: Arc<State>, by: Client) {
    while !state.end.load(Ordering::Relaxed) {
        let Ok(mut client) = reach.connect().await else {
            tokio::time::sleep(PACE).await;
            continue;
        };
        let mut seen = None;
        while !state.end.load(Ordering::Relaxed) {
            let number = state.begun.fetch_add(1, Ordering::Relaxed);
            let swap = seen.take_if(|_| number % 5 == 2);
            let input = choose(&state.prefix, number, swap);
            let key = input.key.clone();
            let Some(output) = state.make(by, &mut client, input).await else { break };
            let read = output.entry().and_then(|it| it.modified);
            seen = read.map(|it| (key, it)).or(seen);
            tokio::time::sleep(state.pace).await;
        }
    }
}

fn choose(prefix: &str, number: u64, swap: Option<(String, Revision)>) -> Input {
    let value = number.to_string();
    match (number % 5, swap) {
        (_, Some((key, at))) => {
            Input { key, action: Action::put_if(Condition::ModifiedAt(at), &value) }
        }
        (0 | 1, None) => Input::new(&key(prefix, number), Action::put(&value)),
        _ => Input::new(&key(prefix, number), Action::Get),
    }
}

/// Reads every key that was used, until each is read.
async fn read_all(reach: &EtcdReach, state: &State) {
    let used = state.begun.load(Ordering::Relaxed).div_ceil(KEYS * USES);
    let mut keys: Vec<_> =
        (0..used).flat_map(|it| (0..KEYS).map(move |key| it * KEYS * USES + key)).collect();
    while let Some(number) = keys.pop() {
        let Ok(mut client) = reach.connect().await else {
            tokio::time::sleep(PACE).await;
            keys.push(number);
            continue;
        };
        let mut next = Some(number);
        while let Some(number) = next {
            let read = Input::new(&key(&state.prefix, number), Action::Get);
            if state.make(Client(CLIENTS + 1), &mut client, read).await.is_none() {
                keys.push(number);
                break;
            }
            next = keys.pop();
        }
    }
}

async fn ask(client: &mut etcd_client::Client, input: &Input) -> Result<Output> {
    let key = input.key.as_str();
    let (outcome, header) = match &input.action {
        Action::Put(value) => {
            let answer = client.put(key, value.as_str(), None).await?;
            (Outcome::Written, revision(answer.header()))
        }
        Action::PutIf(Condition::ModifiedAt(Revision(at)), value) => {
            let same = Compare::mod_revision(key, CompareOp::Equal, i64::try_from(*at)?);
            let put = TxnOp::put(key, value.as_str(), None);
            let answer = client.txn(Txn::new().when([same]).and_then([put])).await?;
            let outcome = if answer.succeeded() { Outcome::Written } else { Outcome::Refused };
            (outcome, revision(answer.header()))
        }
        Action::Get => {
            let answer = client.get(key, None).await?;
            let entry = answer.kvs().first().map(entry).transpose()?;
            (Outcome::Read(entry), revision(answer.header()))
        }
        other => bail!("nobody here asks for {other:?}"),
    };
    Ok(Output::new(outcome).at(header?))
}

fn entry(pair: &KeyValue) -> Result<Entry> {
    let modified = Revision(u64::try_from(pair.mod_revision())?);
    Ok(Entry::new(pair.value_str()?).modified_at(modified))
}

fn revision(header: Option<&ResponseHeader>) -> Result<Revision> {
    Ok(Revision(u64::try_from(header.context("an answer without a header")?.revision())?))
}
