//! The whole training step, in images a second: gather, forward, loss, backward, update.
//!
//! 3072 byte pixels an image, 50,000 images in memory, a new order for each pass, momentum 0.9 and
//! L2, as `chainrule train` does it.

use chainrule_bench::{Work, threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Batch and hidden widths.
const STEPS: [(usize, &[usize]); 7] = [
    (64, &[100]),
    (200, &[100]),
    (256, &[512]),
    (128, &[1024]),
    (100, &[50]),
    (128, &[512, 256]),
    (128, &[1024, 1024, 512]),
];

fn step(c: &mut Criterion) {
    for threads in threads() {
        let mut group = c.benchmark_group(format!("step, {threads} threads"));
        for (batch, hidden) in STEPS {
            let mut work = Work::new(hidden, batch, threads);
            let steps = 16;
            group.throughput(Throughput::Elements((steps * batch) as u64));
            let name = format!("batch {batch}, hidden {hidden:?}");
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| work.train(steps));
            });
        }
    }
}

fn evaluation(c: &mut Criterion) {
    for threads in threads() {
        let mut group = c.benchmark_group(format!("evaluation, {threads} threads"));
        for hidden in [100, 1024] {
            let mut work = Work::new(&[hidden], 1, threads);
            group.throughput(Throughput::Elements(10_000));
            group.bench_function(BenchmarkId::new("10,000 images, hidden", hidden), |b| {
                b.iter(|| work.evaluate(10_000));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = chainrule_bench::criterion().sample_size(20);
    targets = step, evaluation
}
criterion_main!(benches);
