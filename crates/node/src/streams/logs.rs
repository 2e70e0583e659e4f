//! Logs.

use std::io;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use machinery::error::ApiError;
use machinery::stream::{Logs, STDOUT};
use tokio::task::block_in_place;

use super::{Frames, Streams};
use crate::logs::{Log, Reader, Selection, path_of};
use crate::volumes::uid;

/// One run's log: where it lies, and the run itself while it lives.
struct Source {
    reader: Reader,
    live: Option<(Log, tokio_util::sync::CancellationToken)>,
}

impl Streams {
    pub(super) async fn logs(&self, request: Logs, frames: Frames) -> io::Result<()> {
        let (mut from, to) = frames;
        let follow = request.follow;
        let mut source = match self.source(&request) {
            Ok(source) => source,
            Err(error) => return to.refuse(&error).await,
        };
        to.accept().await?;
        let mut written = source.live.as_ref().map(|(log, _)| log.subscribe());
        let first = block_in_place(|| source.reader.first())?;
        to.send(STDOUT, &first).await?;
        while let (true, Some((_, done)), Some(written)) = (follow, &source.live, &mut written) {
            if source.reader.is_full() {
                return Ok(());
            }
            let ended = done.is_cancelled();
            let more = block_in_place(|| source.reader.more())?;
            if !more.is_empty() {
                to.send(STDOUT, &more).await?;
            }
            if ended {
                return Ok(());
            }
            tokio::select! {
                changed = written.changed() => if changed.is_err() { return Ok(()) },
                () = done.cancelled() => {}
                // The client says nothing more; its end of the stream is its goodbye.
                _ = from.next() => return Ok(()),
            }
        }
        Ok(())
    }

    fn source(&self, request: &Logs) -> Result<Source, ApiError> {
        let target = &request.target;
        let name = self.container_name(target)?;
        let pod = self.view.pods.get(&target.namespace, &target.pod);
        let pod = pod.filter(|pod| target.uid.as_ref().is_none_or(|it| it == uid(pod)));
        let pod = pod.ok_or_else(|| ApiError::not_found("", "pods", &target.pod))?;
        let live = self.live.get(&target.namespace, &target.pod);
        let live = live.filter(|live| live.uid == uid(&pod));
        let live = live.and_then(|live| live.containers.get(&name).cloned());
        let dir = self.paths.container_logs(uid(&pod), &name);
        let latest = latest(&dir);
        let attempt = if request.previous { latest.map(|it| it - 1) } else { latest };
        let path = attempt.map(|attempt| path_of(&dir, attempt)).filter(|path| path.exists());
        let Some(path) = path else {
            return Err(missing(&pod, &name, request.previous));
        };
        let selection = selection(request)?;
        let live = live.filter(|_| !request.previous);
        Ok(Source {
            reader: Reader::new(path, selection),
            live: live.map(|it| (it.log.clone(), it.done.clone())),
        })
    }
}

/// The number of the latest run with a log.
fn latest(dir: &std::path::Path) -> Option<i32> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    entries.filter_map(|it| it.file_name().to_str()?.strip_suffix(".log")?.parse().ok()).max()
}

fn missing(pod: &Pod, container: &str, previous: bool) -> ApiError {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if previous {
        let text =
            format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return ApiError::bad_request(text);
    }
    let status = pod.status.clone().unwrap_or_default();
    let mut all = status
        .container_statuses
        .into_iter()
        .flatten()
        .chain(status.init_container_statuses.into_iter().flatten());
    let waiting = all
        .find(|it| it.name == container)
        .and_then(|it| it.state?.waiting?.reason)
        .unwrap_or_else(|| "ContainerCreating".to_owned());
    ApiError::bad_request(format!(
        "container \"{container}\" in pod \"{name}\" is waiting to start: {waiting}"
    ))
}

fn selection(request: &Logs) -> Result<Selection, ApiError> {
    let since = match (&request.since_time, request.since_seconds) {
        (Some(time), _) => {
            let parsed = time.parse::<Timestamp>();
            Some(parsed.map_err(|error| ApiError::bad_request(format!("sinceTime: {error}")))?)
        }
        (None, Some(seconds)) => {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            Timestamp::now().checked_sub(SignedDuration::from_secs(seconds)).ok()
        }
        (None, None) => None,
    };
    let count = |value: Option<u64>| value.map(|it| usize::try_from(it).unwrap_or(usize::MAX));
    let stream = request.stream.as_ref().map(|it| it.to_ascii_lowercase());
    Ok(Selection {
        since,
        tail: count(request.tail_lines),
        timestamps: request.timestamps,
        stream: stream.filter(|it| it != "all"),
        limit: count(request.limit_bytes),
    })
}
