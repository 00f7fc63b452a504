//! What the benchmarks share: fixed numbers, and the work that every framework is given.
//!
//! The work is always the same: 50,000 images of 3072 byte pixels in memory, reshuffled in every
//! epoch; a minibatch is gathered and normalized; 3072 -> hidden -> 10 with ReLU, softmax
//! cross-entropy, backward, and SGD with momentum 0.9 and L2.

use std::time::Duration;

use chainrule_nn::{Engine, Hidden, Init, Method, Optimizer, Regularization, SoftmaxClassifier};
use chainrule_tensor::ops::bytes::ByteRows;
use chainrule_tensor::{Isa, Tensor};
use criterion::Criterion;

/// Images in memory.
pub const IMAGES: usize = 50_000;

/// Values of an image.
pub const INPUTS: usize = 3072;

/// A stream of numbers without a pattern, the same on every run (a linear congruential generator
/// with Knuth's constants).
fn stream(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u32
    })
}

/// A tensor of numbers in -1..1.
pub fn numbers(rows: usize, columns: usize, seed: u64) -> Tensor {
    let mut stream = stream(seed);
    let mut next = || stream.next().expect("it has no end");
    Tensor::from_fn(rows, columns, |_, _| next() as f32 / (1u32 << 30) as f32 - 1.0)
}

/// One thread, and as many as there are cores.
pub fn threads() -> Vec<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores == 1 { vec![1] } else { vec![1, cores] }
}

/// Says on standard error that other programs keep the cores busy, where Linux tells: figures
/// taken then are worth little, and worst of all those of frameworks whose threads wait spinning.
pub fn warn_if_busy() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if load > 0.5 * cores as f64 {
        eprintln!(
            "warning: the machine is busy (a load of {load} in the last minute, on {cores} cores); \
             these figures will be worth little"
        );
    }
}

/// Short enough to run all benchmarks while one waits.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
}

/// What a network is made of and how it is trained, beside its widths.
#[derive(Clone, Copy)]
pub struct Ingredients {
    /// What stands between two layers.
    pub hidden: Hidden,
    /// What training does to a batch.
    pub regularization: Regularization,
    /// How the gradient becomes a step.
    pub method: Method<f32>,
    /// The share that stays of a running mean of the weights, if there is one.
    pub average: Option<f64>,
    /// The largest norm of the gradient, if it is taken.
    pub clip_norm: Option<f64>,
}

impl Default for Ingredients {
    fn default() -> Self {
        Self {
            hidden: Hidden::default(),
            regularization: Regularization::default(),
            method: Method::Momentum { momentum: 0.9, nesterov: false },
            average: None,
            clip_norm: None,
        }
    }
}

/// A network in training on made-up images.
pub struct Work {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    order: Vec<u32>,
    at: usize,
    shuffle: Box<dyn Iterator<Item = u32>>,
    engine: Engine,
    rule: Optimizer<f32>,
    batch: usize,
}

impl Work {
    /// A network of these hidden widths.
    ///
    /// # Panics
    /// If the threads cannot be started, or `CHAINRULE_KERNEL` names no kernels of this machine.
    pub fn new(hidden: &[usize], batch: usize, threads: usize) -> Work {
        Work::with_images(hidden, batch, threads, IMAGES)
    }

    /// [`Work::new`] with so many images in memory.
    ///
    /// # Panics
    /// As [`Work::new`], or if there are fewer images than fill a batch.
    pub fn with_images(hidden: &[usize], batch: usize, threads: usize, images: usize) -> Work {
        Work::of(Ingredients::default(), hidden, batch, threads, images)
    }

    /// [`Work::with_images`] of a network with these ingredients.
    ///
    /// # Panics
    /// As [`Work::with_images`].
    pub fn of(
        with: Ingredients,
        hidden: &[usize],
        batch: usize,
        threads: usize,
        images: usize,
    ) -> Work {
        assert!(images >= batch, "a batch of {batch} of {images} images");
        let widths = [&[INPUTS], hidden, &[10]].concat();
        let model = SoftmaxClassifier::with_hidden(&widths, with.hidden, Init::He, 1);
        let model = model.expect("no width is 0");
        let isa = Isa::from_environment().expect("an ISA of this machine");
        let mut engine = Engine::with_isa(&model, batch, threads, isa).expect("threads start");
        engine.set_regularization(with.regularization);
        engine.set_ema_decay(with.average);
        engine.set_clip_norm(with.clip_norm);
        let method = with.method;
        Work {
            pixels: stream(1).take(images * INPUTS).map(|x| x as u8).collect(),
            labels: stream(2).take(images).map(|x| (x % 10) as u8).collect(),
            scale: vec![1.0 / 64.0; INPUTS],
            shift: vec![-2.0; INPUTS],
            order: (0..images as u32).collect(),
            at: images,
            shuffle: Box::new(stream(3)),
            engine,
            rule: Optimizer { learning_rate: 1e-4, l2: 1e-4, decay: 0.0, method },
            batch,
        }
    }

    /// Takes `steps` steps; a new order begins where the old one ends.
    pub fn train(&mut self, steps: usize) {
        let rows = ByteRows::new(&self.pixels, &self.scale, &self.shift);
        let mut left = steps;
        while left > 0 {
            let all = self.order.len();
            if self.at + self.batch > all {
                for i in (1..all).rev() {
                    let other = self.shuffle.next().expect("it has no end") as usize % (i + 1);
                    self.order.swap(i, other);
                }
                self.at = 0;
            }
            let whole = (all - self.at) / self.batch;
            let images = left.min(whole) * self.batch;
            let order = &self.order[self.at..self.at + images];
            let trained = self.engine.train(&rows, &self.labels, order, self.batch, self.rule);
            trained.expect("so small a step does not diverge");
            self.at += images;
            left -= images / self.batch;
        }
    }

    /// The loss on the first `images` images.
    pub fn evaluate(&mut self, images: usize) -> f64 {
        let rows = ByteRows::new(&self.pixels, &self.scale, &self.shift);
        let all: Vec<u32> = (0..images as u32).collect();
        self.engine.evaluate(&rows, &self.labels, &all).loss
    }
}
