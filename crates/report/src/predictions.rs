//! Predictions on labeled images: a probability for each class of each image.
//!
//! The predicted class is the one with the greatest probability, which is the prediction's
//! confidence.

use chainrule_data::Images;

use crate::Confusion;

/// The probabilities that a network gives to some images.
#[derive(Clone, Debug)]
pub struct Predictions<'a> {
    images: &'a Images,
    rows: Vec<u32>,
    probabilities: Vec<f32>,
}

/// One image and its prediction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prediction<'a> {
    /// Its number in the set.
    pub(crate) image: u32,
    /// Its pixels, plane by plane.
    pub(crate) pixels: &'a [u8],
    /// The true class.
    pub(crate) label: usize,
    /// The predicted class.
    pub(crate) class: usize,
    /// The probability of the predicted class.
    pub(crate) confidence: f64,
    /// The probability of the true class.
    pub(crate) label_probability: f64,
}

impl Prediction<'_> {
    pub(crate) fn is_right(&self) -> bool {
        self.class == self.label
    }
}

impl<'a> Predictions<'a> {
    /// `probabilities` is (rows, classes), row-major; row i is of image `rows[i]` of `images`.
    ///
    /// # Panics
    /// If there is another number of probabilities, or a row is no image.
    pub fn new(images: &'a Images, rows: Vec<u32>, probabilities: Vec<f32>) -> Predictions<'a> {
        assert_eq!(probabilities.len(), rows.len() * images.classes(), "a row for each image");
        assert!(rows.iter().all(|&row| (row as usize) < images.len()), "each row is an image");
        Predictions { images, rows, probabilities }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The images.
    pub fn images(&self) -> &'a Images {
        self.images
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Prediction<'a>> + '_ {
        let rows = self.probabilities.chunks_exact(self.images.classes());
        self.rows.iter().zip(rows).map(|(&image, probabilities)| {
            let label = usize::from(self.images.labels()[image as usize]);
            let best = (1..probabilities.len()).fold(0, |best, class| {
                if probabilities[class] > probabilities[best] { class } else { best }
            });
            Prediction {
                image,
                pixels: self.images.image(image as usize),
                label,
                class: best,
                confidence: f64::from(probabilities[best]),
                label_probability: f64::from(probabilities[label]),
            }
        })
    }

    /// The accuracy, from 0 to 1; NaN for no images.
    pub fn accuracy(&self) -> f64 {
        self.iter().filter(Prediction::is_right).count() as f64 / self.len() as f64
    }

    /// The confusion matrix.
    pub fn confusion(&self, classes: &[String]) -> Confusion {
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for prediction in self.iter() {
            counts[prediction.label][prediction.class] += 1;
        }
        Confusion { classes: classes.to_vec(), counts }
    }

    /// The `n` wrong predictions of greatest confidence, that first.
    pub(crate) fn most_confident_mistakes(&self, n: usize) -> Vec<Prediction<'a>> {
        let mut wrong: Vec<_> = self.iter().filter(|prediction| !prediction.is_right()).collect();
        wrong.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        wrong.truncate(n);
        wrong
    }

    /// Images to look at more closely, at most `n` of a kind: correct predictions and mistakes of
    /// greatest confidence, and other predictions of the least. Their numbers in the set, under a
    /// heading.
    pub fn remarkable(&self, n: usize) -> [(&'static str, Vec<u32>); 3] {
        let mut right: Vec<_> = self.iter().filter(Prediction::is_right).collect();
        right.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        right.truncate(n);
        let numbers = |of: Vec<Prediction<'a>>| of.iter().map(|p| p.image).collect::<Vec<_>>();
        let (right, wrong) = (numbers(right), numbers(self.most_confident_mistakes(n)));
        let is_shown = |p: &Prediction<'_>| right.contains(&p.image) || wrong.contains(&p.image);
        let mut doubtful: Vec<_> = self.iter().filter(|p| !is_shown(p)).collect();
        doubtful.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
        doubtful.truncate(n);
        let doubtful = numbers(doubtful);
        [
            ("Most confident correct predictions", right),
            ("Most confident mistakes", wrong),
            ("Least certain", doubtful),
        ]
    }

    /// The `n` right predictions of least confidence, that first.
    pub(crate) fn least_confident_hits(&self, n: usize) -> Vec<Prediction<'a>> {
        let mut right: Vec<_> = self.iter().filter(Prediction::is_right).collect();
        right.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
        right.truncate(n);
        right
    }
}

#[cfg(test)]
mod tests {
    use chainrule_data::Shape;

    use super::*;

    /// Four images of one pixel in two classes; the third and the fourth are predicted wrongly.
    fn images() -> Images {
        let shape = Shape { channels: 1, height: 1, width: 1 };
        Images::new(vec![10, 20, 30, 40], vec![0, 1, 0, 1], shape, 2).unwrap()
    }

    const PROBABILITIES: [f32; 8] = [0.75, 0.25, 0.375, 0.625, 0.125, 0.875, 0.625, 0.375];

    #[test]
    fn a_mistake_is_no_hit_and_the_extremes_come_first() {
        let images = images();
        let all = Predictions::new(&images, vec![0, 1, 2, 3], PROBABILITIES.to_vec());
        let summary = |predictions: Vec<Prediction<'_>>| {
            let summary = predictions.iter().map(|p| (p.image, p.class, p.confidence));
            summary.collect::<Vec<_>>()
        };
        assert_eq!(summary(all.most_confident_mistakes(9)), [(2, 1, 0.875), (3, 0, 0.625)]);
        assert_eq!(summary(all.least_confident_hits(1)), [(1, 1, 0.625)]);
        assert_eq!(all.accuracy(), 0.5);
        let confusion = all.confusion(&["a".into(), "b".into()]);
        assert_eq!(confusion.counts, [[1, 1], [1, 1]]);
    }

    #[test]
    fn no_image_is_remarkable_twice() {
        let images = images();
        let all = Predictions::new(&images, vec![0, 1, 2, 3], PROBABILITIES.to_vec());
        // Right are image 0 with 0.75 and image 1 with 0.625; wrong 2 with 0.875 and 3 with 0.625.
        let numbers = all.remarkable(1).map(|(_, numbers)| numbers);
        assert_eq!(numbers, [vec![0], vec![2], vec![1]]);
        assert_eq!(all.remarkable(2).map(|(_, n)| n), [vec![0, 1], vec![2, 3], vec![]]);
    }

    #[test]
    fn a_row_means_the_image_of_its_number_and_not_of_its_place() {
        let images = images();
        let two = Predictions::new(&images, vec![3, 0], PROBABILITIES[..4].to_vec());
        let summary: Vec<_> = two.iter().map(|p| (p.pixels[0], p.label, p.class)).collect();
        assert_eq!(summary, [(40, 1, 0), (10, 0, 1)]);
    }
}
