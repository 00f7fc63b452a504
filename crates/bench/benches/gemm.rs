//! Matrix products on the shapes that training has, in GFLOP/s.
//!
//! Each shape is run by `gemm` (matrixmultiply) and by the kernels of every ISA, with the
//! operands as the training step keeps them. Inputs have a fixed seed and are made outside the
//! timed part.

mod config;

use std::ops::Range;

use chainrule_bench::images::{INPUTS, numbers};
use chainrule_nn::layers::linear;
use chainrule_nn::layers::linear::{Part, Workspace};
use chainrule_nn::operands::Operands;
use chainrule_nn::tiling::Tiling;
use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::{Isa, Tensor, gemm};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use config::Speed;

/// Batch and hidden width of the first layer, of 3072 inputs.
const SHAPES: [(usize, usize); 5] = [(64, 100), (200, 100), (256, 512), (128, 1024), (100, 50)];

/// Shapes of the portable kernels, which take up to ten times as long: one small, one large.
const PORTABLE: [(usize, usize); 2] = [(64, 100), (128, 1024)];

/// The ISAs of this machine that are timed on a shape.
fn isas(shape: (usize, usize)) -> impl Iterator<Item = Isa> {
    let all = Isa::available();
    all.into_iter().filter(move |isa| *isa != Isa::PORTABLE || PORTABLE.contains(&shape))
}

fn forward(c: &mut Criterion<Speed>) {
    let mut group = config::group(c, "gemm forward Z = X W, 3072 inputs");
    for (batch, hidden) in SHAPES {
        let name = format!("batch {batch}, {hidden} hidden");
        group.throughput(Throughput::Elements((2 * batch * INPUTS * hidden) as u64));
        let (x, w) = (numbers(batch, INPUTS, 1), numbers(INPUTS, hidden, 2));
        let mut z = Tensor::zeros(batch, hidden);
        group.bench_function(BenchmarkId::new("matrixmultiply", &name), |b| {
            b.iter(|| gemm(1.0, x.view(), w.view(), 0.0, z.view_mut()));
        });
        for isa in isas((batch, hidden)) {
            let layout = Tiling::first(INPUTS, hidden, isa);
            let cuts = layout.own_blocks(&(0..layout.blocks.len()));
            let input = &Operands::new(&layout, &cuts, batch, batch, false).input;
            let blocks: Vec<_> = (layout.blocks.iter())
                .map(|k| (numbers(batch, k.len(), 1), numbers(k.len(), layout.outputs, 2)))
                .collect();
            let mut work = Workspace::new(isa, batch);
            let mut z = vec![0.0; batch * layout.outputs];
            group.bench_function(BenchmarkId::new(format!("blocks, {isa}"), &name), |b| {
                b.iter(|| {
                    for (k, (x, w)) in blocks.iter().enumerate() {
                        let (x, w) = ((x.as_slice(), input), w.as_slice());
                        let part = Part { tiling: &layout, block: &cuts[k] };
                        linear::forward(&mut work, part, batch, x, w, &mut z, k > 0);
                    }
                });
            });
        }
    }
}

fn backward(c: &mut Criterion<Speed>) {
    let mut group = config::group(c, "gemm backward dW = Xt dZ, 3072 inputs");
    for (batch, hidden) in SHAPES {
        let name = format!("batch {batch}, {hidden} hidden");
        group.throughput(Throughput::Elements((2 * batch * INPUTS * hidden) as u64));
        let (x, dz) = (numbers(batch, INPUTS, 1), numbers(batch, hidden, 2));
        let mut dw = Tensor::zeros(INPUTS, hidden);
        group.bench_function(BenchmarkId::new("matrixmultiply", &name), |b| {
            b.iter(|| gemm(1.0, x.view().t(), dz.view(), 0.0, dw.view_mut()));
        });
        for isa in isas((batch, hidden)) {
            let layout = Tiling::first(INPUTS, hidden, isa);
            let cuts = layout.own_blocks(&(0..layout.blocks.len()));
            let Operands { input, gradient, .. } =
                &Operands::new(&layout, &cuts, batch, batch, false);
            let blocks: Vec<_> = layout.blocks.iter().map(|k| numbers(batch, k.len(), 1)).collect();
            let tile = |t: &Range<usize>| numbers(batch, t.len(), 2).into_vec();
            let dz = Exchange::new(
                batch,
                layout.tiles.iter().map(tile).collect(),
                vec![0; layout.tiles.len()],
            );
            let mut work = Workspace::new(isa, batch);
            let mut dw = vec![0.0; 128 * layout.outputs];
            group.bench_function(BenchmarkId::new(format!("blocks, {isa}"), &name), |b| {
                b.iter(|| {
                    for (x, block) in blocks.iter().zip(&cuts) {
                        let (x, dz) = ((x.as_slice(), input), (&dz, gradient));
                        let part = Part { tiling: &layout, block };
                        let mut copy = |at: Range<usize>, g: &[f32]| dw[at].copy_from_slice(g);
                        linear::backward_weight(&mut work, part, batch, x, dz, &mut copy);
                    }
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = config::criterion("GFLOP/s", 1e-9);
    targets = forward, backward
}
criterion_main!(benches);
