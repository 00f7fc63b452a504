//! The work that every peer does, with the numbers of `peer.py`.

use anyhow::{Result, ensure};

use crate::random::Random;

/// Training images in memory.
pub const IMAGES: usize = 50_000;
/// Images that are classified with --eval.
pub const EVALUATION_IMAGES: usize = 10_000;
/// Values of an image.
pub const INPUTS: usize = 3072;
/// Classes.
pub const CLASSES: usize = 10;

/// What is taken from a pixel, 0 to 255, before it is multiplied by [`SCALE`].
pub const MEAN: f32 = 128.0;
/// One over the standard deviation of a pixel.
pub const SCALE: f32 = 1.0 / 64.0;

/// Settings of SGD: v = momentum v + dL/dw + l2 w, w = w - `learning_rate` v; no l2 on biases.
#[derive(Clone, Copy)]
pub struct Sgd {
    /// Small in a measurement, so that made-up images can't make the loss overflow.
    pub learning_rate: f32,
    /// Share of the velocity that is kept.
    pub momentum: f32,
    /// Factor of the L2 penalty l2/2 sum w².
    pub l2: f32,
}

impl Sgd {
    /// The settings of a measurement.
    pub const MEASURED: Sgd = Sgd { learning_rate: 1e-4, momentum: 0.9, l2: 1e-4 };
}

/// The weights that a layer starts from; its biases start at zero.
pub struct Layer {
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// Weights (inputs, outputs), row by row, uniform with He's variance 2 / inputs.
    pub weights: Vec<f32>,
}

/// Images, labels and a network's start, the same on every run.
pub struct Work {
    /// Images of a minibatch.
    pub batch: usize,
    /// Settings of the optimizer.
    pub sgd: Sgd,
    /// Pixels (images, [`INPUTS`]).
    pub pixels: Vec<u8>,
    /// The class of each image, below [`CLASSES`].
    pub labels: Vec<u8>,
    /// The network, from its input to its output.
    pub layers: Vec<Layer>,
}

impl Work {
    /// Makes up `images` images and a network with these hidden widths.
    pub fn new(images: usize, hidden: &[usize], batch: usize, sgd: Sgd) -> Result<Work> {
        ensure!(!hidden.contains(&0), "a hidden layer must have one unit at least");
        ensure!((1..=images).contains(&batch), "a batch must have 1 to {images} images");
        let widths = [&[INPUTS], hidden, &[CLASSES]].concat();
        let mut random = Random(1);
        let pixels = (0..images * INPUTS).map(|_| random.bits() as u8).collect();
        let labels = (0..images).map(|_| random.below(CLASSES) as u8).collect();
        let layers = widths
            .windows(2)
            .map(|pair| {
                let limit = (6.0 / pair[0] as f32).sqrt();
                let weights = (0..pair[0] * pair[1]).map(|_| limit * random.symmetric()).collect();
                Layer { inputs: pair[0], outputs: pair[1], weights }
            })
            .collect();
        Ok(Work { batch, sgd, pixels, labels, layers })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.labels.len()
    }

    /// The images of these rows as normalized values (rows, [`INPUTS`]), in place of `values`.
    pub fn gather(&self, rows: &[u32], values: &mut Vec<f32>) {
        values.clear();
        values.reserve(rows.len() * INPUTS);
        for &row in rows {
            let image = &self.pixels[row as usize * INPUTS..][..INPUTS];
            values.extend(image.iter().map(|&pixel| (f32::from(pixel) - MEAN) * SCALE));
        }
    }

    /// All images as normalized values.
    pub fn normalized(&self) -> Vec<f32> {
        self.pixels.iter().map(|&pixel| (f32::from(pixel) - MEAN) * SCALE).collect()
    }
}

/// Minibatches of a new order for each pass, without end; a short last one is left out.
pub struct Batches {
    random: Random,
    order: Vec<u32>,
    batch: usize,
    next: usize,
}

impl Batches {
    /// Minibatches of `batch` of `images` rows.
    pub fn new(images: usize, batch: usize) -> Batches {
        Batches { random: Random(2), order: (0..images as u32).collect(), batch, next: images }
    }

    /// The rows of the next minibatch.
    pub fn next_rows(&mut self) -> &[u32] {
        if self.next + self.batch > self.order.len() {
            self.random.shuffle(&mut self.order);
            self.next = 0;
        }
        let rows = &self.order[self.next..][..self.batch];
        self.next += self.batch;
        rows
    }
}
