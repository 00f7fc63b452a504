//! A network in training on the made-up images.

use std::ops::ControlFlow;

use chainrule_nn::{Engine, Hidden, Init, Method, Optimizer, Regularization, SoftmaxClassifier};
use chainrule_tensor::gather::Rows;
use chainrule_tensor::ops::bytes::ByteRows;
use chainrule_tensor::{Kernel, Precision};

use crate::Shape;
use crate::images::{CLASSES, IMAGES, INPUTS, Images, Stream, images};

/// What a network is made of and how it is trained, beside its widths.
#[derive(Clone, Copy)]
pub struct Ingredients {
    /// Normalization and activation of the hidden layers.
    pub hidden: Hidden,
    /// What training does to a batch.
    pub regularization: Regularization,
    /// How the gradient becomes a step.
    pub method: Method<f32>,
    /// Decay of an exponential moving average of the weights, if there is one.
    pub ema_decay: Option<f64>,
    /// The norm at which the gradient is clipped, if it is.
    pub clip_norm: Option<f64>,
    /// In which the products are made.
    pub precision: Precision,
}

impl Default for Ingredients {
    fn default() -> Self {
        Self {
            hidden: Hidden::default(),
            regularization: Regularization::default(),
            method: Method::Momentum { momentum: 0.9, nesterov: false },
            ema_decay: None,
            clip_norm: None,
            precision: Precision::F32,
        }
    }
}

/// Pixels are normalized to SCALE pixel + SHIFT.
static SCALE: [f32; INPUTS] = [1.0 / 64.0; INPUTS];
static SHIFT: [f32; INPUTS] = [-2.0; INPUTS];

/// A network in training on the first of the made-up images.
pub struct Trainer {
    images: &'static Images,
    order: Vec<u32>,
    /// Images of `order` that this epoch has used.
    used: usize,
    random: Stream,
    engine: Engine,
    optimizer: Optimizer<f32>,
    batch: usize,
}

impl Trainer {
    /// A network of this shape on all images.
    ///
    /// # Panics
    /// If the threads cannot be started, or `CHAINRULE_KERNEL` names no kernels of this machine.
    pub fn new(shape: &Shape, threads: usize) -> Trainer {
        Trainer::with(Ingredients::default(), shape, threads, IMAGES)
    }

    /// A network with these ingredients on the first `count` images.
    ///
    /// # Panics
    /// As [`Trainer::new`]; if there are not so many images, or they do not fill a batch.
    pub fn with(with: Ingredients, shape: &Shape, threads: usize, count: usize) -> Trainer {
        let batch = shape.batch;
        assert!((batch..=IMAGES).contains(&count), "a batch of {batch} of {count} images");
        let widths = [&[INPUTS], shape.hidden.as_slice(), &[CLASSES]].concat();
        let model = SoftmaxClassifier::with_hidden(&widths, with.hidden, Init::He, 1);
        let model = model.expect("no width is 0");
        let kernel = Kernel::from_environment(with.precision).expect("a kernel of this machine");
        let engine = Engine::with_kernel(&model, batch, threads, kernel);
        let mut engine = engine.expect("threads start");
        engine.set_regularization(with.regularization);
        engine.set_ema_decay(with.ema_decay);
        engine.set_clip_norm(with.clip_norm);
        Trainer {
            images: images(),
            order: (0..count as u32).collect(),
            used: count,
            random: Stream::new(3),
            engine,
            // So small a rate that no loss overflows, however long it trains on noise.
            optimizer: Optimizer { learning_rate: 1e-4, l2: 1e-4, decay: 0.0, method: with.method },
            batch,
        }
    }

    /// Takes `steps` steps, and returns the number of images in them. A new order begins where the
    /// old one ends.
    pub fn train(&mut self, steps: usize) -> usize {
        self.train_each(steps, |rows| rows, || {})
    }

    /// The same on what `watch` makes of the rows; calls `each` when the loss of a step is known.
    pub(crate) fn train_each<R: Rows<f32>>(
        &mut self,
        steps: usize,
        watch: impl Fn(ByteRows<'static>) -> R,
        mut each: impl FnMut() + Send,
    ) -> usize {
        let rows = watch(ByteRows::new(&self.images.pixels, &SCALE, &SHIFT));
        let mut left = steps;
        while left > 0 {
            let all = self.order.len();
            if self.used + self.batch > all {
                for i in (1..all).rev() {
                    self.order.swap(i, self.random.below(i + 1));
                }
                self.used = 0;
            }
            let whole = (all - self.used) / self.batch;
            let images = left.min(whole) * self.batch;
            let order = &self.order[self.used..self.used + images];
            let labels = &self.images.labels;
            let each = |_| {
                each();
                ControlFlow::Continue(())
            };
            let (batch, optimizer) = (self.batch, |_| self.optimizer);
            let trained = self.engine.train_each(&rows, labels, order, batch, optimizer, each);
            trained.expect("so small a step does not diverge");
            self.used += images;
            left -= images / self.batch;
        }
        steps * self.batch
    }

    /// The mean loss on the first `images` images.
    pub fn evaluate(&mut self, images: usize) -> f64 {
        let rows = ByteRows::new(&self.images.pixels, &SCALE, &SHIFT);
        let all: Vec<u32> = (0..images as u32).collect();
        self.engine.evaluate(&rows, &self.images.labels, &all).loss
    }
}
