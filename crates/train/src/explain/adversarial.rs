//! The smallest change of every pixel by one and the same amount that makes the network answer
//! something else: the fast gradient sign method of Goodfellow, Shlens & Szegedy 2015, "Explaining
//! and harnessing adversarial examples".
//!
//! ```text
//! p' = clamp(p + k sign(∂L/∂p), 0, 255)     L = -ln p_c of the answer c of the network
//! ```
//!
//! A picture has whole levels, so k is looked for among 1 … 255, all of which are tried: the answer
//! may change and change back. The steps between two levels then say how near the border was.

use chainrule_data::{Images, Shape};
use chainrule_nn::loss::softmax;
use chainrule_tensor::Scalar;
use chainrule_tensor::ops::rows::argmax;

use super::saliency::Saliency;
use crate::config::Tta;
use crate::{Error, Predictor};

/// An image that was changed until the answer changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Adversarial {
    /// k: by how many of the levels 0 to 255 every pixel was changed.
    pub step: u8,
    /// The least step in 64ths of a level that changes the answer, which no picture of whole levels
    /// can have.
    pub least_step: f64,
    /// The changed pixels, (dim).
    pub pixels: Vec<u8>,
    /// The new answer.
    pub class: usize,
    /// Its probability, from 0 to 1.
    pub probability: f32,
}

/// Steps of [`Adversarial::least_step`] in a level.
const PARTS: u8 = 64;

/// The sign of ∂L/∂p of each pixel, with L = -ln p_c: -1, 0 or 1.
///
/// ∂L/∂z_j is p_j for j ≠ c and p_c - 1 for c. Divided by 1 - p_c, which changes no sign, these are
/// the probabilities among the other classes, and -1: they are told apart from 0 however sure the
/// network is.
fn signs<T: Scalar>(saliency: &mut Saliency<T>, pixels: &[T], class: usize) -> Vec<i16> {
    let of_loss = |z: &mut [T]| {
        z[class] = T::NEG_INFINITY;
        softmax(z);
        z[class] = -T::ONE;
    };
    let gradient = saliency.gradient_of(pixels, of_loss);
    gradient.iter().map(|&dp| i16::from(dp > T::ZERO) - i16::from(dp < T::ZERO)).collect()
}

/// The image with the smallest step that changes the answer `class` for one image; `None` if no step
/// does.
///
/// # Errors
/// [`Error::Scores`] if a score is not finite.
pub(super) fn smallest(
    predictor: &mut Predictor,
    saliency: &mut Saliency<f32>,
    (bytes, shape): (&[u8], Shape),
    class: usize,
) -> Result<Option<Adversarial>, Error> {
    let pixels: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
    let signs = signs(saliency, &pixels, class);
    if signs.iter().all(|&sign| sign == 0) {
        return Ok(None); // nothing to follow
    }
    let level = |step: u8| {
        let moved = move |(&byte, &sign): (&u8, &i16)| {
            (i16::from(byte) + i16::from(step) * sign).clamp(0, 255) as u8
        };
        bytes.iter().zip(&signs).map(moved)
    };
    let images = Images::new((1..=u8::MAX).flat_map(level).collect(), vec![0; 255], shape, 1)?;
    let rows: Vec<u32> = (0..images.len() as u32).collect();
    let answers = predictor.ask(&images, &rows, Tta::NONE)?.probabilities();
    let classes = answers.len() / images.len();
    let mut found = answers.chunks_exact(classes).enumerate();
    let Some((row, probabilities)) = found.find(|(_, p)| argmax(p) != class) else {
        return Ok(None);
    };
    let part = |part: u8| {
        let step = row as f32 + f32::from(part) / f32::from(PARTS);
        let moved = |(&p, &sign): (&f32, &i16)| (p + step * f32::from(sign)).clamp(0.0, 255.0);
        pixels.iter().zip(&signs).map(moved).collect()
    };
    let between: Vec<Vec<f32>> = (1..PARTS).map(part).collect();
    let scores = saliency.scores(&between).into_vec();
    let first = scores.chunks_exact(classes).position(|scores| argmax(scores) != class);
    let parts = first.map_or(f64::from(PARTS), |first| (first + 1) as f64);
    let new = argmax(probabilities);
    Ok(Some(Adversarial {
        step: row as u8 + 1,
        least_step: row as f64 + parts / f64::from(PARTS),
        pixels: images.image(row).to_vec(),
        class: new,
        probability: probabilities[new],
    }))
}

#[cfg(test)]
mod tests {
    use chainrule_data::Normalization;
    use chainrule_nn::SoftmaxClassifier;
    use chainrule_tensor::Isa;

    use super::*;
    use crate::ModelFile;

    /// Looks for an example of an image of two pixels, which the network reads as they are.
    fn search(classifier: SoftmaxClassifier) -> impl FnMut(&[u8], usize) -> Option<Adversarial> {
        let normalization = Normalization::new(vec![0.0], vec![1.0]).unwrap();
        let model = ModelFile { classifier, normalization, task: None, members: vec![] };
        let isa = Isa::best();
        let mut predictor = Predictor::with_isa(&model, 1, isa).unwrap();
        let mut saliency = Saliency::new(&model, isa).unwrap();
        let shape = Shape { channels: 1, height: 1, width: 2 };
        move |bytes, class| smallest(&mut predictor, &mut saliency, (bytes, shape), class).unwrap()
    }

    /// Scores of 100 and -100 leave no probability beside 1 in `f32`, and the loss no gradient.
    #[test]
    fn a_network_that_is_sure_can_be_misled_too() {
        let mut classifier = SoftmaxClassifier::zeros(&[2, 2]).unwrap();
        classifier.weight_mut(0).copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
        let mut of = search(classifier);
        // 210 - k against 10 + k: the second is larger first at 101, or 100 and a 64th.
        let found = of(&[210, 10], 0).unwrap();
        assert_eq!((found.step, found.least_step, found.class), (101, 100.0 + 1.0 / 64.0, 1));
        assert_eq!(found.pixels, [109, 111]);
        // At the ends of the range there is nowhere to go: 255 - k against 0 + k.
        assert_eq!(of(&[255, 0], 0).unwrap().pixels, [127, 128]);
    }

    #[test]
    fn where_no_pixel_counts_there_is_no_example() {
        let mut classifier = SoftmaxClassifier::zeros(&[2, 2]).unwrap();
        classifier.bias_mut(0)[1] = 1.0;
        assert_eq!(search(classifier)(&[9, 9], 1), None);
    }
}
