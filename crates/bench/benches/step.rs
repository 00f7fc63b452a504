//! The whole training step, in images per second: gather, forward, loss, backward, update.
//!
//! 3072 byte pixels an image, 50,000 images in memory, a new order for each pass, momentum 0.9 and
//! L2, as `chainrule train` does it.

mod config;

use chainrule_bench::machine::threads;
use chainrule_bench::{Shape, Trainer};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use config::Speed;

/// Batch and hidden widths.
const SHAPES: [(usize, &[usize]); 7] = [
    (64, &[100]),
    (200, &[100]),
    (256, &[512]),
    (128, &[1024]),
    (100, &[50]),
    (128, &[512, 256]),
    (128, &[1024, 1024, 512]),
];

/// Images of an iteration, or a few more: whole batches.
const IMAGES: usize = 1024;

fn step(c: &mut Criterion<Speed>) {
    for threads in threads() {
        let mut group = config::group(c, &format!("step, {threads} threads"));
        for (batch, hidden) in SHAPES {
            let mut trainer = Trainer::new(&Shape::new(batch, hidden), threads);
            let steps = IMAGES.div_ceil(batch);
            group.throughput(Throughput::Elements((steps * batch) as u64));
            let name = format!("batch {batch}, hidden {hidden:?}");
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| trainer.train(steps));
            });
        }
    }
}

fn evaluation(c: &mut Criterion<Speed>) {
    for threads in threads() {
        let mut group = config::group(c, &format!("evaluation, {threads} threads"));
        for hidden in [100, 1024] {
            let mut trainer = Trainer::new(&Shape::new(1, &[hidden]), threads);
            group.throughput(Throughput::Elements(10_000));
            group.bench_function(BenchmarkId::new("10,000 images, hidden", hidden), |b| {
                b.iter(|| trainer.evaluate(10_000));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = config::criterion("images/s", 1.0);
    targets = step, evaluation
}
criterion_main!(benches);
