//! Sanity checks of a network before a long run
//! (CS231n, "Neural Networks Part 3: Learning and Evaluation").
//!
//! - **The initial loss.** With scores near 0 each of C classes has a probability of 1/C, and the
//!   loss is ln C. This is checked with the last layer scaled down. The loss of the network as it is
//!   is higher, because He's initialization gives scores that differ.
//! - **Fifty images.** Without regularization (augmentation, dropout, penalty, decay) the network
//!   must overfit fifty images to 100 %.
//! - **The gradient.** Of the real network on real images, with all its noise: a few elements of
//!   every parameter, in f64, against centered differences ([`chainrule_nn::gradcheck`]).
//! - **The size of a step** beside the weights, after some steps of the real run
//!   ([`update_ratios`]). This is reported and never fails.

use std::f64::consts::LN_2;
use std::ops::{ControlFlow, RangeInclusive};

use chainrule_data::Images;
use chainrule_nn::gradcheck::{Elements, Row, Training, Verdict};
use chainrule_nn::{Diverged, SoftmaxClassifier};
use chainrule_tensor::math;

use crate::config::ClassWeight;
use crate::setup::{Ready, engine, ready};
use crate::update_ratio::update_ratios;
use crate::{Config, Data, Error, Processes};

/// Images over which the initial loss is taken.
const LOSS_IMAGES: usize = 1000;

/// The factor of the last layer that brings its scores near 0.
const TINY: f32 = 1e-4;

/// The relative difference from ln C that is allowed.
const LOSS_BOUND: f64 = 0.01;

/// Images to overfit.
const BY_HEART: usize = 50;

/// Most passes over these images.
const MOST_PASSES: usize = 500;

/// The accuracy is measured once in so many passes.
const LOOK_EVERY: usize = 10;

/// Most images in the batch of the gradient check; more have more kinks.
const GRADIENT_IMAGES: usize = 8;

/// Elements of each parameter that are checked.
const ELEMENTS: usize = 5;

/// Steps of the real run.
const REAL_STEPS: usize = 20;

/// Update ratios without a remark; about 1e-3 is usual.
pub const USUAL_RATIOS: RangeInclusive<f64> = 1e-5..=1e-1;

/// The findings.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// The loss before the first step.
    pub initial_loss: InitialLoss,
    /// Overfitting fifty images.
    pub by_heart: ByHeart,
    /// A row for each trained parameter.
    pub gradient: Vec<Row>,
    /// The size of a step.
    pub updates: Updates,
}

impl Findings {
    /// Whether every check is passed.
    pub fn passed(&self) -> bool {
        self.initial_loss.passed()
            && self.by_heart.passed()
            && self.gradient.iter().all(|row| row.verdict != Verdict::Differs)
            && self.updates.diverged.is_none()
    }
}

/// The mean cross-entropy before the first step, over some training images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InitialLoss {
    /// ln C.
    pub expected: f64,
    /// With the last layer made tiny.
    pub tiny: f64,
    /// Of the network as it starts.
    pub actual: f64,
}

impl InitialLoss {
    /// Whether the tiny network's is ln C to 1 %, and the actual one finite.
    pub fn passed(&self) -> bool {
        (self.tiny / self.expected - 1.0).abs() < LOSS_BOUND && self.actual.is_finite()
    }
}

/// The result of overfitting some images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByHeart {
    /// How many images.
    pub images: usize,
    /// How many of them also occur with another label, pixel for pixel. Not all of these can be
    /// classified correctly.
    pub contradictory: usize,
    /// Steps taken.
    pub steps: u64,
    /// The step size of all of them.
    pub learning_rate: f64,
    /// Of these images in evaluation mode, at the end, from 0 to 1.
    pub accuracy: f64,
    /// Their mean cross-entropy before the first step.
    pub first_loss: f64,
    /// The same at the end; if it is not finite, training has ended there.
    pub last_loss: f64,
}

impl ByHeart {
    /// Whether all images are classified correctly.
    pub fn passed(&self) -> bool {
        self.accuracy == 1.0
    }

    /// What to try if not.
    pub fn advice(&self) -> &'static str {
        if self.contradictory > 0 {
            "some of them occur twice with different labels, which no network can learn: look for \
             duplicates in the images"
        } else if self.last_loss < self.first_loss - LN_2 {
            "the loss falls too slowly: try a larger learning rate"
        } else if self.last_loss < 0.99 * self.first_loss {
            "the loss hardly falls: try ten times the learning rate"
        } else {
            "the loss does not fall: try a tenth of the learning rate"
        }
    }
}

/// The size of a step beside the weights, after some real steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Updates {
    /// Steps taken.
    pub steps: u64,
    /// The learning rate of the last one.
    pub learning_rate: f64,
    /// For each layer, ‖ΔW‖ / ‖W‖.
    pub ratios: Vec<f64>,
    /// The step that diverged, if one did.
    pub diverged: Option<Diverged>,
}

/// Checks the network that `config` describes on the images of `data`, and reports each stage to
/// `progress`. Nothing is written.
///
/// # Errors
/// As [`crate::run()`], as far as a run comes before its first step.
pub fn check(
    config: &Config,
    data: &Data,
    mut progress: impl FnMut(&str),
) -> Result<Findings, Error> {
    let mut ready = ready(config, data, &mut progress)?;
    progress("checking the initial loss");
    let initial_loss = initial_loss(&mut ready);
    progress("learning 50 images by heart");
    let by_heart = by_heart(&ready)?;
    progress("checking the gradient of the network in f64");
    let gradient = gradient(&ready)?;
    progress("taking some steps of the run");
    let updates = updates(&mut ready)?;
    Ok(Findings { initial_loss, by_heart, gradient, updates })
}

fn initial_loss(Ready { model, engine, prepared, .. }: &mut Ready) -> InitialLoss {
    let train = &prepared.split.train;
    let some = &train[..LOSS_IMAGES.min(train.len())];
    let actual = prepared.evaluate(engine, some).loss;
    let mut tiny = model.clone();
    let last = model.depth() - 1;
    tiny.weight_mut(last).iter_mut().for_each(|w| *w *= TINY);
    tiny.bias_mut(last).iter_mut().for_each(|b| *b *= TINY);
    engine.load(&tiny);
    let loss = prepared.evaluate(engine, some).loss;
    engine.load(model);
    let expected = math::ln(prepared.dataset.train.classes() as f64);
    InitialLoss { expected, tiny: loss, actual }
}

/// The settings without regularization.
fn without_regularization(config: &Config, batch_size: usize) -> Config {
    Config {
        batch_size,
        dropout: 0.0,
        mixup: 0.0,
        label_smoothing: 0.0,
        class_weight: ClassWeight::None,
        reg: 0.0,
        weight_decay: 0.0,
        ema_decay: None,
        ..config.clone()
    }
}

fn by_heart(ready: &Ready) -> Result<ByHeart, Error> {
    let Ready { config, model, prepared, .. } = ready;
    let kernel = ready.engine.kernel();
    let train = &prepared.split.train;
    let some = &train[..BY_HEART.min(train.len())];
    // Batches of about one size: a batch normalization cannot do with one image.
    let batch = some.len().div_ceil(some.len().div_ceil(config.batch_size));
    let config = without_regularization(config, batch);
    let mut engine = engine(&Processes::default(), &config, model, prepared, kernel)?;
    let rule = config.step(config.learning_rate);
    let labels = prepared.dataset.train.labels();
    let mut found = prepared.evaluate(&mut engine, some);
    let first_loss = found.loss;
    for _ in 0..MOST_PASSES / LOOK_EVERY {
        if found.accuracy(labels) == 1.0 || !found.loss.is_finite() {
            break;
        }
        let each = |_| ControlFlow::Continue(());
        let diverged = (0..LOOK_EVERY)
            .find_map(|_| prepared.train(&mut engine, (some, None), batch, |_| rule, each).err());
        found = prepared.evaluate(&mut engine, some);
        if let Some(Diverged { loss, .. }) = diverged {
            found.loss = loss;
            break;
        }
    }
    Ok(ByHeart {
        images: some.len(),
        contradictory: contradictory(&prepared.dataset.train, some),
        steps: engine.steps(),
        learning_rate: config.learning_rate,
        accuracy: found.accuracy(labels),
        first_loss,
        last_loss: found.loss,
    })
}

/// How many of these images also occur with another label.
fn contradictory(images: &Images, rows: &[u32]) -> usize {
    let of = |&row: &u32| (images.image(row as usize), images.labels()[row as usize]);
    let has_other = |row: &&u32| {
        let (pixels, label) = of(row);
        rows.iter().map(of).any(|(other, other_label)| other == pixels && other_label != label)
    };
    rows.iter().filter(has_other).count()
}

fn gradient(Ready { config, model, engine, prepared }: &Ready) -> Result<Vec<Row>, Error> {
    let exact = model.parameters().iter().map(|&value| value.into()).collect();
    let exact = SoftmaxClassifier::<f64>::from_parameters(model.architecture().clone(), exact);
    let batch = config.batch_size.min(GRADIENT_IMAGES);
    let class_weights = prepared.class_weights(config);
    let training = Training {
        data: &prepared.pixels(),
        labels: prepared.dataset.train.labels(),
        rows: &prepared.split.train[..batch],
        regularization: config.regularization(),
        class_weights: class_weights.as_deref(),
        soft_targets: None,
        l2: config.reg,
    };
    let elements = Elements::Few(ELEMENTS);
    Ok(training.check("network", &exact, elements, engine.isa(), engine.threads())?)
}

fn updates(Ready { config, engine, prepared, .. }: &mut Ready) -> Result<Updates, Error> {
    let (mut order, changes) = prepared.epoch(config, 1)?;
    order.truncate(REAL_STEPS * config.batch_size);
    prepared.teach(engine, &order, changes.as_ref())?;
    let rates = prepared.rates(config);
    let rule = |step| config.step(rates.at(step as u64));
    let each = |_| ControlFlow::Continue(());
    let batch = (&order[..], changes.as_ref());
    let result = prepared.train(engine, batch, config.batch_size, rule, each);
    let learning_rate = rates.at(engine.steps().saturating_sub(1));
    let ratios = update_ratios(engine, &engine.model(), &config.step(learning_rate));
    Ok(Updates { steps: engine.steps(), learning_rate, ratios, diverged: result.err() })
}
