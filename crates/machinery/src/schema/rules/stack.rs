//! Enough stack for the recursive parser and interpreter of CEL.
//!
//! Both take tens of kilobytes for each level of an unoptimized build; on the stack of a worker thread a few dozen
//! nested brackets would end the process. What is deep therefore runs on a thread of its own, with a stack that is
//! large in addresses and only as large in memory as it is used.

/// Enough for the deepest expression accepted, in an unoptimized build.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Up to this depth an expression runs where it is: at most half of a worker thread's 2 MiB.
const DEPTH_IN_PLACE_MAX: u32 = if cfg!(debug_assertions) { 12 } else { 64 };

/// Runs `work` with much stack; none when it panicked (on malformed input the generated parser does) or no thread
/// could be had.
pub(super) fn large<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("cel".into()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// Runs `work`, which recurses over `depth` levels of an expression.
pub(super) fn for_depth<T: Send>(depth: u32, work: impl FnOnce() -> T + Send) -> Option<T> {
    if depth <= DEPTH_IN_PLACE_MAX { Some(work()) } else { large(work) }
}
