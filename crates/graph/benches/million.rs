//! A million gates: reading the formula, the forward pass and the backward pass.

use std::hint::black_box;
use std::time::Duration;

use chainrule_graph::{Formula, Gates};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const GATES: usize = 1_000_000;

fn million(c: &mut Criterion) {
    // x + y*x + y*x + ... : half a million products and as many sums.
    let text = format!("x{}", "+y*x".repeat(GATES / 2));
    let values = [("x", 0.5), ("y", 2.0)];
    let formula = Formula::parse(&text).expect("the formula is well formed");
    let circuit = formula.circuit(&values, Gates::Written).expect("every variable has a value");
    assert_eq!(circuit.gates().count(), GATES);
    let (mut graph, output) = (circuit.graph().clone(), circuit.output());

    let mut group = c.benchmark_group("million gates");
    group.throughput(Throughput::Elements(GATES as u64));
    // A single iteration takes long.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.bench_function("read the formula", |b| b.iter(|| Formula::parse(black_box(&text))));
    group.bench_function("forward", |b| b.iter(|| graph.forward()));
    group.bench_function("backward", |b| b.iter(|| graph.backward(black_box(output))));
    group.bench_function("formula to gradients", |b| {
        b.iter(|| Formula::parse(black_box(&text)).unwrap().circuit(&values, Gates::Written));
    });
    group.finish();
}

criterion_group!(benches, million);
criterion_main!(benches);
