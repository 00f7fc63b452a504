//! Between the flat buffer of an architecture and what each rank keeps of it.
//!
//! A [`Piece`] is a rectangle of one tensor that a rank stores in one go. All ranks' pieces together
//! are the whole network; only the bias of the last layer is in each of them.

use std::ops::Range;

use chainrule_tensor::{Buffer, Scalar};

use crate::architecture::{Architecture, Kind};
use crate::param::Parameter;
use crate::shard::{Net, Shared};

/// A rectangle of a tensor.
pub(crate) struct Piece {
    pub layer: usize,
    pub kind: Kind,
    /// Its outputs and inputs; of what is no weight there is one output, and the features are inputs.
    outputs: usize,
    inputs: usize,
    /// Where it begins in the rank's storage, and whether an output's inputs lie together there.
    stored: usize,
    output_major: bool,
    /// Where it begins in the flat buffer, and how far apart two outputs lie there.
    flat: usize,
    row_length: usize,
}

impl Piece {
    /// Of each element, where it is stored and where it lies in the flat buffer.
    pub fn elements(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let outputs = (0..self.outputs).map(|o| (o, self.flat + o * self.row_length));
        outputs.flat_map(move |(o, flat)| (0..self.inputs).map(move |i| (self.at(o, i), flat + i)))
    }

    /// Where the element that lies at `flat` in the flat buffer is stored, if it is part of this.
    pub fn find(&self, flat: usize) -> Option<usize> {
        let offset = flat.checked_sub(self.flat)?;
        let (o, i) = (offset / self.row_length, offset % self.row_length);
        (o < self.outputs && i < self.inputs).then(|| self.at(o, i))
    }

    fn at(&self, o: usize, i: usize) -> usize {
        self.stored + if self.output_major { o * self.inputs + i } else { i * self.outputs + o }
    }
}

/// The pieces of rank `rank`.
pub(crate) fn pieces<T>(
    architecture: &Architecture,
    shared: &Shared<T>,
    rank: usize,
) -> Vec<Piece> {
    let mut pieces = vec![];
    for (l, layer) in shared.layers.iter().enumerate() {
        let (tiling, weight) = (&layer.tiling, architecture.range(l, Kind::Weight));
        let row_length = architecture.widths()[l];
        for block in tiling.own_blocks(&layer.sharding.owned[rank]) {
            for strip in tiling.tiles.iter().flat_map(|tile| tiling.strips(tile)) {
                pieces.push(Piece {
                    layer: l,
                    kind: Kind::Weight,
                    outputs: strip.len(),
                    inputs: block.features.len(),
                    stored: tiling.weights_of_tile(&block, &strip).start,
                    output_major: tiling.is_narrow(&strip),
                    flat: weight.start
                        + strip.start * row_length
                        + tiling.blocks[block.number].start,
                    row_length,
                });
            }
        }
        for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::Weight) {
            let Range { start, end } = architecture.range(l, kind);
            let features = &layer.readers[rank];
            if start < end && !features.is_empty() {
                pieces.push(Piece {
                    layer: l,
                    kind,
                    outputs: 1,
                    inputs: features.len(),
                    stored: 0,
                    output_major: true,
                    flat: start + features.start,
                    row_length: end - start,
                });
            }
        }
    }
    pieces
}

/// Brings some numbers of each parameter of one rank, which `of` gives, into a flat buffer.
pub(crate) fn gather<T: Scalar>(
    architecture: &Architecture,
    shared: &Shared<T>,
    net: &Net<T>,
    flat: &mut [T],
    of: impl Fn(&Parameter<T>) -> &Buffer<T>,
) {
    for piece in pieces(architecture, shared, net.rank) {
        let parameter = net.parameter(piece.layer, piece.kind).expect("the rank has its pieces");
        let from = of(parameter);
        for (stored, at) in piece.elements() {
            flat[at] = from[stored];
        }
    }
}

/// Brings a flat buffer to where `of` says of the parameters of one rank.
pub(crate) fn scatter<T: Scalar>(
    architecture: &Architecture,
    shared: &Shared<T>,
    flat: &[T],
    net: &mut Net<T>,
    of: impl Fn(&mut Parameter<T>) -> &mut Buffer<T>,
) {
    for piece in pieces(architecture, shared, net.rank) {
        let parameter =
            net.parameter_mut(piece.layer, piece.kind).expect("the rank has its pieces");
        let to = of(parameter);
        for (stored, at) in piece.elements() {
            to[stored] = flat[at];
        }
    }
}

/// What some ranks own of a flat buffer, as bytes: piece by piece.
pub(crate) fn to_bytes<T: Scalar>(
    architecture: &Architecture,
    shared: &Shared<T>,
    ranks: Range<usize>,
    flat: &[T],
) -> Vec<u8> {
    let values = owned(architecture, shared, ranks);
    let mut bytes = vec![0; values.len() * T::BYTES];
    for (at, to) in values.into_iter().zip(bytes.chunks_exact_mut(T::BYTES)) {
        flat[at].write_to(to);
    }
    bytes
}

/// Brings the [`to_bytes`] of some ranks into a flat buffer.
pub(crate) fn from_bytes<T: Scalar>(
    architecture: &Architecture,
    shared: &Shared<T>,
    ranks: Range<usize>,
    bytes: &[u8],
    flat: &mut [T],
) {
    let values = owned(architecture, shared, ranks);
    for (at, from) in values.into_iter().zip(bytes.chunks_exact(T::BYTES)) {
        flat[at] = T::from_bytes(from);
    }
}

/// Where what some ranks own lies in the flat buffer, piece by piece.
fn owned<T>(architecture: &Architecture, shared: &Shared<T>, ranks: Range<usize>) -> Vec<usize> {
    let pieces: Vec<_> = ranks.flat_map(|rank| pieces(architecture, shared, rank)).collect();
    pieces.iter().flat_map(Piece::elements).map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use chainrule_tensor::Kernel;

    use super::*;
    use crate::layers::hidden::Hidden;
    use crate::layers::norm::Norm;

    #[test]
    fn the_pieces_of_all_ranks_are_every_element_once_but_for_the_last_bias() {
        let hidden = Hidden { norm: Norm::Batch, ..Hidden::default() };
        let architecture = Architecture::new(&[300, 130, 47, 10], hidden).unwrap();
        for kernel in Kernel::available() {
            for ranks in [1, 2, 3, 7] {
                let shared = Shared::<f32>::new(&architecture, kernel, ranks, 4);
                let mut seen = vec![0; architecture.len()];
                for rank in 0..ranks {
                    for piece in pieces(&architecture, &shared, rank) {
                        for (stored, at) in piece.elements() {
                            seen[at] += 1;
                            assert_eq!(piece.find(at), Some(stored));
                        }
                        assert_eq!(piece.find(architecture.len()), None);
                    }
                }
                let last = architecture.range(2, Kind::Bias);
                for (at, &times) in seen.iter().enumerate() {
                    assert_eq!(
                        times,
                        if last.contains(&at) { ranks } else { 1 },
                        "{kernel:?}, {at}"
                    );
                }
            }
        }
    }
}
