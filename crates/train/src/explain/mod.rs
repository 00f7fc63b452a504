//! What a saved network looks at in an image.
//!
//! | module | what it computes |
//! | --- | --- |
//! | [`saliency`] | the gradient of a score by the pixels, gradient x input, SmoothGrad, hidden units |
//! | [`adversarial`] | the smallest step along the sign of the loss's gradient that changes the answer |
//!
//! [`Explainer`] does all of it for an image, by the layers that train.

pub mod adversarial;
pub mod saliency;

use chainrule_data::Images;
use chainrule_tensor::Kernel;
use chainrule_tensor::ops::rows::argmax;

use self::adversarial::Adversarial;
use self::saliency::{Saliency, SmoothGrad, Unit};
use crate::config::Tta;
use crate::{Error, ModelFile, Predictor};

/// What a network looked at in one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The answer of the network, whose score is explained.
    pub class: usize,
    /// The probability of each class, from 0 to 1.
    pub probabilities: Vec<f32>,
    /// ∂z/∂pixel of the score z of the class, in units of 0 to 255: (dim), as an image.
    pub gradient: Vec<f32>,
    /// x ∂z/∂x with x as the network reads it, so that the mean pixel counts 0: (dim).
    pub gradient_times_input: Vec<f32>,
    /// The mean of the gradient over noisy copies of the image: (dim).
    pub smooth_grad: Vec<f32>,
    /// The image with the smallest step that changes the answer, if one does.
    pub adversarial: Option<Adversarial>,
    /// The units of the first hidden layer, that with the largest contribution first. None of a linear
    /// classifier.
    pub units: Vec<Unit<f32>>,
}

/// Explains the answers of a saved network.
pub struct Explainer {
    predictor: Predictor,
    saliency: Saliency<f32>,
    smooth: SmoothGrad,
}

impl Explainer {
    /// The network of a model file.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn new(model: &ModelFile, smooth: SmoothGrad) -> Result<Explainer, Error> {
        let isa = Kernel::isa_from_environment()?;
        let predictor = Predictor::with_isa(model, 1, isa)?;
        Ok(Self { predictor, saliency: Saliency::new(model, isa)?, smooth })
    }

    /// Explains the answer for one of the `images`. It depends on the image and on the seed alone.
    ///
    /// # Errors
    /// [`Error::Scores`] if a score is not finite.
    ///
    /// # Panics
    /// If the network reads another number of values, or there is no such image.
    pub fn explain(&mut self, images: &Images, image: u32) -> Result<Explanation, Error> {
        let probabilities = self.predictor.ask(images, &[image], Tta::NONE)?.probabilities();
        let class = argmax(&probabilities);
        let bytes = images.image(image as usize);
        let pixels: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
        let saliency = &mut self.saliency;
        let gradient = saliency.gradient(&pixels, class);
        let gradient_times_input = saliency.gradient_times_input(&pixels, class);
        let smooth_grad = saliency.smooth_grad(&pixels, class, self.smooth);
        let units = saliency.units(&pixels, class);
        let (predictor, shape) = (&mut self.predictor, images.shape());
        let adversarial = adversarial::smallest(predictor, saliency, (bytes, shape), class)?;
        Ok(Explanation {
            class,
            probabilities,
            gradient,
            gradient_times_input,
            smooth_grad,
            adversarial,
            units,
        })
    }
}
