//! Forward and backward of each layer, in images per second, with the best kernels of the machine.

mod config;

use std::ops::Range;

use chainrule_bench::images::numbers;
use chainrule_nn::layers::linear::{Part, Workspace};
use chainrule_nn::layers::{linear, relu};
use chainrule_nn::loss;
use chainrule_nn::operands::Operands;
use chainrule_nn::tiling::Tiling;
use chainrule_tensor::Isa;
use chainrule_tensor::exchange::Exchange;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use config::Speed;

/// Name, batch, inputs, outputs.
const LINEAR: [(&str, usize, usize, usize); 3] = [
    ("the last layer, 100 -> 10", 64, 100, 10),
    ("a hidden layer, 512 -> 256", 128, 512, 256),
    ("a hidden layer, 1024 -> 1024", 128, 1024, 1024),
];

fn linear_layer(c: &mut Criterion<Speed>) {
    let isa = Isa::best();
    let mut group = config::group(c, "linear");
    for (name, batch, inputs, outputs) in LINEAR {
        group.throughput(Throughput::Elements(batch as u64));
        // The layer's inputs are the tiles of the layer before it.
        let layout = Tiling::first(16, inputs, isa).next(outputs, isa);
        let columns = layout.outputs;
        let widths: Vec<usize> = layout.blocks.iter().map(|block| block.len()).collect();
        let x: Vec<_> = widths.iter().map(|&n| numbers(batch, n, 1).into_vec()).collect();
        let w: Vec<_> = widths.iter().map(|&n| numbers(n, columns, 2).into_vec()).collect();
        let mut z = vec![0.0; batch * columns];
        let mut work = Workspace::new(isa, batch);
        let blocks = layout.own_blocks(&(0..widths.len()));
        let part = |k: usize| Part { tiling: &layout, block: &blocks[k] };
        let Operands { input, gradient } = &Operands::new(&layout, &blocks, batch, batch, true);
        group.bench_function(BenchmarkId::new("forward", name), |b| {
            b.iter(|| {
                for (k, (x, w)) in x.iter().zip(&w).enumerate() {
                    linear::forward(&mut work, part(k), batch, (&x[..], input), w, &mut z, k > 0);
                }
            });
        });
        let tile = |t: &Range<usize>| numbers(batch, t.len(), 3).into_vec();
        let dz = Exchange::new(
            batch,
            layout.tiles.iter().map(tile).collect(),
            vec![0; layout.tiles.len()],
        );
        let mut dx: Vec<_> = widths.iter().map(|&n| vec![0.0; batch * n]).collect();
        group.bench_function(BenchmarkId::new("backward by the input", name), |b| {
            b.iter(|| {
                for (k, (w, dx)) in w.iter().zip(&mut dx).enumerate() {
                    linear::backward_input(&mut work, part(k), batch, (&dz, gradient), w, dx);
                }
            });
        });
        group.bench_function(BenchmarkId::new("backward by the weight", name), |b| {
            b.iter(|| {
                let mut sum = 0.0;
                for (k, x) in x.iter().enumerate() {
                    let (x, dz) = ((&x[..], input), (&dz, gradient));
                    let mut use_up = |_, dw: &[f32]| sum += dw[0];
                    linear::backward_weight(&mut work, part(k), batch, x, dz, &mut use_up);
                }
                sum
            });
        });
    }
}

fn relu_layer(c: &mut Criterion<Speed>) {
    let isa = Isa::best();
    let mut group = config::group(c, "relu");
    for (name, batch, units) in [("64 x 112", 64, 112), ("128 x 1024", 128, 1024)] {
        group.throughput(Throughput::Elements(batch as u64));
        let (z, bias) = (numbers(batch, units, 1).into_vec(), numbers(1, units, 2).into_vec());
        let mut a = z.clone();
        group.bench_function(BenchmarkId::new("forward", name), |b| {
            b.iter(|| {
                a.copy_from_slice(&z);
                relu::forward(isa, &mut a, &bias);
            });
        });
        let mut gradient = z.clone();
        group.bench_function(BenchmarkId::new("backward", name), |b| {
            b.iter(|| relu::backward(isa, &mut gradient, &a));
        });
    }
}

fn loss(c: &mut Criterion<Speed>) {
    let mut group = config::group(c, "softmax_cross_entropy");
    let batch = 64;
    group.throughput(Throughput::Elements(batch as u64));
    let scores = numbers(batch, 10, 1);
    group.bench_function("forward, 10 classes", |b| {
        let loss = |i: usize| loss::cross_entropy(scores.row(i), i % 10);
        b.iter(|| (0..batch).map(loss).sum::<f32>());
    });
    let mut table = scores.clone().into_vec();
    group.bench_function("forward and backward, 10 classes", |b| {
        b.iter(|| {
            table.copy_from_slice(scores.as_slice());
            let target = |i: usize| (i % 10).into();
            loss::cross_entropy_backward(Isa::best(), &mut table, 10, target, 1.0 / 64.0)
        });
    });
}

criterion_group! {
    name = benches;
    config = config::criterion("images/s", 1.0);
    targets = linear_layer, relu_layer, loss
}
criterion_main!(benches);
