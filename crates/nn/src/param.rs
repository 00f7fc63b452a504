//! Parameters beside their optimizer state, moving average and kept gradient.

use std::ops::Range;

use chainrule_tensor::kernel::prefetch::prefetch;
use chainrule_tensor::ops::elementwise::{SumOfSquares, scale, sum_of_squares_in_f64};
use chainrule_tensor::ops::update::{State, lerp};
use chainrule_tensor::{Buffer, Isa, Scalar};

use crate::optimizer::Update;
use crate::tiling::{Block, Tiling};

/// Parameters and what goes with them, side by side. What is not needed is empty.
pub(crate) struct Parameter<T> {
    pub value: Buffer<T>,
    /// v of the optimizer.
    pub velocity: Buffer<T>,
    /// s of the optimizer, of those that keep it.
    pub second_moment: Buffer<T>,
    /// The exponential moving average of the parameters.
    pub ema: Buffer<T>,
    /// The gradient of the step at hand, where it is kept until its norm is known.
    pub gradient: Buffer<T>,
    /// Σ w² of what its sink has updated.
    squares: SumOfSquares<T>,
}

/// The constants of the update of one step.
#[derive(Clone, Copy)]
pub(crate) struct UpdateOptions<T> {
    pub isa: Isa,
    pub rule: Update<T>,
    /// How far the moving average goes toward the parameters, where there is one.
    pub ema_weight: T,
}

impl<T: Scalar> UpdateOptions<T> {
    /// The same for parameters that are not penalized.
    pub fn without_penalty(&self) -> Self {
        Self { rule: self.rule.without_penalty(), ..*self }
    }
}

/// The part of some numbers that may not be kept at all.
fn part<T>(all: &mut [T], range: Range<usize>) -> &mut [T] {
    if all.is_empty() { all } else { &mut all[range] }
}

impl<T: Scalar> Parameter<T> {
    pub fn zeros(len: usize) -> Self {
        Self {
            value: Buffer::zeros(len),
            velocity: Buffer::zeros(len),
            second_moment: Buffer::default(),
            ema: Buffer::default(),
            gradient: Buffer::default(),
            squares: SumOfSquares::default(),
        }
    }

    /// The parameters at `range`, ready to take their gradient.
    pub fn sink<'a>(
        &'a mut self,
        options: &'a UpdateOptions<T>,
        range: Range<usize>,
    ) -> ParameterSink<'a, T> {
        self.squares.clear();
        ParameterSink {
            options,
            w: &mut self.value[range.clone()],
            v: &mut self.velocity[range.clone()],
            s: part(&mut self.second_moment, range.clone()),
            ema: part(&mut self.ema, range.clone()),
            gradient: part(&mut self.gradient, range),
            squares: &mut self.squares,
        }
    }

    /// Moves the moving average of running statistics, which have no gradient.
    pub fn move_ema(&mut self, options: &UpdateOptions<T>, range: Range<usize>) {
        if let Some(ema) = self.ema.get_mut(range.clone()) {
            lerp(options.isa, ema, &self.value[range], options.ema_weight);
        }
    }

    /// Σ g² over the gradient at `range` that the backward pass has kept.
    pub fn gradient_squares(&self, isa: Isa, range: Range<usize>) -> f64 {
        self.gradient.get(range).map_or(0.0, |gradient| sum_of_squares_in_f64(isa, gradient))
    }

    /// Updates the weights of a block by `factor` times the gradient that was kept for them.
    /// Returns their Σ w².
    pub fn update_from_kept(
        &mut self,
        options: &UpdateOptions<T>,
        (tiling, block): (&Tiling, &Block),
        factor: T,
    ) -> f64 {
        let range = tiling.weights(block);
        let kept = self.take_clipped(options.isa, range.clone(), factor);
        let gradient = &kept[range.clone()];
        let mut sink = self.sink(options, range);
        for panel in tiling.panels(block.features.len()) {
            sink.take(panel.range.clone(), &gradient[panel.range]);
        }
        let squares = sink.squares.total();
        self.gradient = kept;
        squares
    }

    /// The same of a bias or a scale.
    pub fn update_vector_from_kept(
        &mut self,
        options: &UpdateOptions<T>,
        range: Range<usize>,
        factor: T,
    ) {
        let kept = self.take_clipped(options.isa, range.clone(), factor);
        self.sink(options, range.clone()).take(0..range.len(), &kept[range]);
        self.gradient = kept;
    }

    /// Takes the gradient out, with `factor` times that at `range`: while it is out, an update is made
    /// and not kept.
    fn take_clipped(&mut self, isa: Isa, range: Range<usize>, factor: T) -> Buffer<T> {
        let mut gradient = std::mem::take(&mut self.gradient);
        scale(isa, &mut gradient[range], factor);
        gradient
    }
}

/// The receiver of a gradient, panel by panel, while the panel is in the cache. The simplest is a
/// closure of the range of a panel in its tensor and the gradient there.
pub trait GradientSink<T> {
    /// The gradient at `range`, as it has been computed.
    fn take(&mut self, range: Range<usize>, gradient: &[T]);

    /// The gradient at `range` is about to be computed: prefetches what `take` will want.
    fn prefetch(&self, _range: Range<usize>) {}
}

impl<T, F: FnMut(Range<usize>, &[T])> GradientSink<T> for F {
    fn take(&mut self, range: Range<usize>, gradient: &[T]) {
        self(range, gradient);
    }
}

/// The sink of training: it updates the parameters at once; or, where the gradient must be kept until
/// its norm is known, it keeps it.
pub(crate) struct ParameterSink<'a, T> {
    options: &'a UpdateOptions<T>,
    w: &'a mut [T],
    v: &'a mut [T],
    s: &'a mut [T],
    ema: &'a mut [T],
    gradient: &'a mut [T],
    /// Σ w² of what has been updated.
    pub squares: &'a mut SumOfSquares<T>,
}

impl<T: Scalar> GradientSink<T> for ParameterSink<'_, T> {
    fn take(&mut self, range: Range<usize>, gradient: &[T]) {
        if !self.gradient.is_empty() {
            self.gradient[range].copy_from_slice(gradient);
            return;
        }
        let UpdateOptions { isa, rule, ema_weight } = self.options;
        let (w, v) = (&mut self.w[range.clone()], &mut self.v[range.clone()]);
        let state = State { w: &mut *w, v, s: part(self.s, range.clone()) };
        rule.apply(*isa, state, gradient, self.squares);
        if let Some(ema) = self.ema.get_mut(range) {
            lerp(*isa, ema, w, *ema_weight);
        }
    }

    fn prefetch(&self, range: Range<usize>) {
        if let Some(gradient) = self.gradient.get(range.clone()) {
            return prefetch(gradient);
        }
        for state in [&*self.w, self.v, self.s, self.ema] {
            if let Some(state) = state.get(range.clone()) {
                prefetch(state);
            }
        }
    }
}
