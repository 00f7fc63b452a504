//! The memory of activations: what an [`Engine`](super::Engine) allocates for its batches, counted from the
//! same cuts before anything is allocated.

use std::ops::Range;

use chainrule_tensor::{Kernel, Scalar};

use super::EVALUATION_ROWS;
use crate::architecture::Architecture;
use crate::layers::hidden::Hidden;
use crate::layers::norm::Norm;
use crate::operands::Operands;
use crate::shard::{Sharding, tilings};
use crate::tiling::BLOCK;

/// Bytes that grow with the number of rows of a batch, in a process that has the ranks `own` of `ranks`:
/// activations, what they are derived by, and what ranks exchange of them. Nothing if they cannot be
/// counted.
///
/// It takes time and memory for each of the cuts of the network, of which there is one for some tens of
/// its units.
///
/// # Panics
/// If there are not as many ranks as `own` names.
pub fn activation_bytes<T: Scalar>(
    architecture: &Architecture,
    kernel: impl Into<Kernel>,
    own: Range<usize>,
    ranks: usize,
    batch: usize,
) -> Option<u64> {
    let kernel = kernel.into().of::<T>();
    let Hidden { norm, activation } = architecture.hidden();
    let (value, rows) = (size_of::<T>(), batch.max(EVALUATION_ROWS));
    let mut sum = Sum(Some(0));
    let tilings = tilings(architecture, kernel);
    for (l, tiling) in tilings.iter().enumerate() {
        let sharding = Sharding::new(tiling.blocks.len(), ranks);
        // Shared: partial products, dZ, and the statistics of a layer normalization, forward and backward
        let slots = sharding.groups.iter().map(Vec::len).sum();
        sum.add(&[slots, rows, tiling.outputs, value]);
        if l + 1 < tilings.len() {
            sum.add(&[rows, tiling.outputs, value]);
            let tiles = if norm == Norm::Layer { tiling.tiles.len() } else { 0 };
            sum.add(&[2, tiles, rows, size_of::<[T; 2]>()]);
        }
        for rank in own.clone() {
            let blocks = tiling.own_blocks(&sharding.owned[rank]);
            let width = blocks.iter().map(|block| block.features.len()).sum();
            let widest = blocks.iter().map(|block| block.features.len()).max().unwrap_or(0);
            for [rows, columns] in Operands::tiles(tiling, &blocks, batch, EVALUATION_ROWS, l > 0) {
                sum.add(&[rows, columns, tiling.kernel.tile_bytes()]);
            }
            if l == 0 {
                // X: of evaluation one block, and in training too where its operands are kept
                let kept = if tiling.kernel.tile_bytes() > 0 { widest } else { width };
                let values = batch.saturating_mul(kept).max(EVALUATION_ROWS * widest);
                sum.add(&[values, value]);
                continue;
            }
            // A, and what the hidden units below it keep: x̂, the derivative, statistics of each example
            sum.add(&[rows, width, value]);
            let kept = [norm != Norm::None, !activation.tells_derivative()];
            sum.add(&[kept.into_iter().map(usize::from).sum(), batch, width, value]);
            if norm == Norm::Layer {
                sum.add(&[rows, size_of::<[T; 2]>()]);
                sum.add(&[batch, size_of::<[T; 3]>()]);
            }
        }
    }
    // Of each rank the logits, in tiles and by rows, and room for a tile of anything
    let widest = kernel.tile_columns();
    sum.add(&[own.len(), 2, rows, architecture.classes(), value]);
    sum.add(&[own.len(), widest, rows.max(widest).max(BLOCK), value]);
    sum.0
}

/// A sum of bytes; nothing once it is too large.
struct Sum(Option<u64>);

impl Sum {
    /// Adds a product.
    fn add(&mut self, factors: &[usize]) {
        let product = factors.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64));
        self.0 = self.0.zip(product).and_then(|(sum, product)| sum.checked_add(product));
    }
}

#[cfg(test)]
mod tests {
    use chainrule_tensor::Isa;
    use chainrule_tensor::comm::ThreadGroup;
    use chainrule_tensor::exchange::{Buffers, Exchange};
    use chainrule_tensor::scalar::Element;

    use super::*;
    use crate::shard::{Net, Shared};
    use crate::{Activation, Engine, SoftmaxClassifier};

    fn exchanged<E: Element>(exchange: &Exchange<E>) -> usize {
        (0..exchange.slots()).map(|slot| size_of_val(&exchange.read(slot)[..])).sum()
    }

    fn of_shared<T: Scalar>(shared: &Shared<T>) -> usize {
        let of_layer = |layer: &crate::shard::Layer<T>| {
            exchanged(&layer.partials)
                + exchanged(&layer.dz)
                + exchanged(&layer.statistics.forward)
                + exchanged(&layer.statistics.backward)
        };
        shared.layers.iter().map(of_layer).sum()
    }

    fn of_net<T: Scalar>(net: &Net<T>) -> usize {
        let linear = net.linear.iter().map(|l| size_of_val(&l.input[..]) + l.operands.bytes());
        let hidden = net.hidden.iter().map(|hidden| hidden.bytes());
        exchanged(&net.logits)
            + size_of_val(&net.table[..])
            + size_of_val(&net.work.scratch[..])
            + linear.chain(hidden).sum::<usize>()
    }

    fn check<T: Scalar>(architecture: &Architecture, kernel: Kernel, ranks: usize, batch: usize) {
        let model =
            SoftmaxClassifier::<T>::from_parameters(architecture.clone(), architecture.zeros());
        let group = ThreadGroup::new(ranks).unwrap();
        let engine = Engine::on_group(&model, batch, group, kernel);
        let nets = (0..ranks).map(|rank| of_net(&engine.net(rank)));
        let held = of_shared(&engine.shared) + nets.sum::<usize>();
        let counted = activation_bytes::<T>(architecture, kernel, 0..ranks, ranks, batch);
        let widths = architecture.widths();
        assert_eq!(
            counted,
            Some(held as u64),
            "{widths:?}, {kernel}, {ranks} ranks, batch {batch}"
        );
    }

    #[test]
    fn what_is_counted_is_what_an_engine_allocates() {
        for widths in [&[5, 3][..], &[300, 130, 47, 10], &[700, 513, 10]] {
            for norm in Norm::ALL {
                for activation in [Activation::Relu, Activation::Gelu] {
                    let hidden = Hidden { norm, activation };
                    let architecture = Architecture::new(widths, hidden).unwrap();
                    for kernel in Kernel::available() {
                        for (ranks, batch) in [(1, 1), (2, 300), (3, 257), (7, 20)] {
                            check::<f32>(&architecture, kernel, ranks, batch);
                        }
                    }
                    check::<f64>(&architecture, Isa::best().into(), 2, 300);
                }
            }
        }
    }

    #[test]
    fn a_process_of_several_is_counted_with_its_own_ranks_and_the_slots_of_all() {
        let architecture = Architecture::new(&[700, 513, 10], Hidden::default()).unwrap();
        for kernel in Kernel::available() {
            let shared = Shared::<f32>::new(&architecture, kernel, 6, 300);
            let rows = (300, EVALUATION_ROWS);
            let net = |rank| of_net(&Net::new(&architecture, &shared, kernel, rank, rows));
            let held = of_shared(&shared) + (4..6).map(net).sum::<usize>();
            let counted = activation_bytes::<f32>(&architecture, kernel, 4..6, 6, 300);
            assert_eq!(counted, Some(held as u64), "{kernel}");
        }
    }

    /// Added up by hand, for kernels with vectors of 16 numbers. Of the first: X 0.55 GB, 20 slots of
    /// partial products of 18 MB, room for a tile and logits on 16 ranks 0.2 GB. Of the second, on 8 ranks:
    /// 16 + 48 + 48 slots of 67 MB in the three layers of 4096 outputs, and 0.5 GB of all else.
    #[test]
    fn the_input_is_held_once_and_the_partial_products_in_a_slot_for_each_part() {
        for kernel in Isa::available().into_iter().map(Kernel::from).filter(|k| k.lanes() == 16) {
            let gigabytes = |widths: &[usize], ranks, batch| {
                let architecture = Architecture::new(widths, Hidden::default()).unwrap();
                let own = 0..ranks;
                activation_bytes::<f32>(&architecture, kernel, own, ranks, batch).unwrap() as f64
                    / 1e9
            };
            let flat = gigabytes(&[3072, 100, 10], 16, 45_000);
            assert!((1.15..1.25).contains(&flat), "{flat} GB");
            let wide = gigabytes(&[3072, 4096, 4096, 4096, 10], 8, 4096);
            assert!((7.9..8.1).contains(&wide), "{wide} GB");
        }
    }

    #[test]
    fn a_batch_that_no_number_counts_is_nothing_and_no_panic() {
        let architecture = Architecture::new(&[3072, 100, 10], Hidden::default()).unwrap();
        for kernel in Kernel::available() {
            for batch in [usize::MAX, usize::MAX / 2, 1 << 60] {
                assert_eq!(activation_bytes::<f32>(&architecture, kernel, 0..2, 2, batch), None);
            }
        }
    }
}
