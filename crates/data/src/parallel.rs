//! A parallel map over many items, with the results in order.

use std::panic::resume_unwind;
use std::sync::Mutex;

use chainrule_tensor::allocator::has_room_for_thread;

/// What `work` makes of each item. Threads take the next item as they become free, and the result
/// does not depend on their number.
pub(crate) fn in_order<T: Send, R: Send>(
    threads: usize,
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let items = Mutex::new(items.enumerate());
    let next = || items.lock().expect("no iterator panics").next();
    let worker = || {
        let mut done = Vec::new();
        while let Some((at, item)) = next() {
            done.push((at, work(item)));
        }
        done
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        // The system may refuse a thread, where memory is short: this one does the work then.
        let spawn = |_| {
            let builder = has_room_for_thread().then(std::thread::Builder::new)?;
            builder.spawn_scoped(scope, worker).ok()
        };
        let workers: Vec<_> = (1..threads).map_while(spawn).collect();
        let own = worker();
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic))
        };
        own.into_iter().chain(workers.into_iter().flat_map(join)).collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn results_stand_in_the_order_of_the_items_with_any_number_of_threads() {
        for threads in [0, 1, 2, 7] {
            let squares = in_order(threads, 0..100, |x: u32| x * x);
            assert!(squares.into_iter().eq((0..100).map(|x| x * x)), "{threads}");
        }
        assert!(in_order(2, 0..0, |x: u32| x).is_empty());
    }
}
