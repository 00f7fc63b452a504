//! What a network looks at in single images, as `predict` and `report` show it.

use chainrule_data::{Images, Shape};
use chainrule_report::{DecidingUnit, Explained, ExplainedGroup, Misled, Predictions};
use chainrule_train::explain::saliency::SmoothGrad;
use chainrule_train::{Error, Explainer, Explanation, ModelFile};
use serde_json::{Value, json};

/// Units that are shown of each image.
const UNITS: usize = 8;

/// Images of each kind on the page of a run.
const EACH: usize = 2;

/// Most values of pictures on the page of a run, in bytes to keep it small.
const MOST_VALUES: usize = 600 << 10;

/// Explains the answers of a model.
pub(super) struct Explaining {
    explainer: Explainer,
    /// Of the first layer, (units, dim), row-major.
    weights: Vec<f32>,
    classes: Vec<String>,
}

impl Explaining {
    /// # Errors
    /// As [`Explainer::new`].
    pub fn new(
        model: &ModelFile,
        classes: Vec<String>,
        smooth: SmoothGrad,
    ) -> Result<Explaining, Error> {
        let explainer = Explainer::new(model, smooth)?;
        Ok(Self { explainer, weights: model.classifier.folded().weight(0).to_vec(), classes })
    }

    /// What the network looks at in one of the `images`.
    ///
    /// # Errors
    /// As [`Explainer::explain`].
    pub fn explain(&mut self, images: &Images, image: u32) -> Result<Explanation, Error> {
        self.explainer.explain(images, image)
    }

    /// An explanation for the page, with what the image is called and, if it is known, its label.
    pub fn shown(
        &self,
        explanation: &Explanation,
        (pixels, shape): (&[u8], Shape),
        name: String,
        truth: Option<usize>,
    ) -> Explained {
        let class = |class: usize| self.classes[class].clone();
        let dim = shape.dim();
        let units = explanation.units.iter().take(UNITS).filter(|unit| unit.share > 0.0);
        let units = units.map(|unit| DecidingUnit {
            unit: unit.unit + 1,
            share: unit.share.copysign(unit.contribution.into()),
            weights: self.weights[unit.unit * dim..(unit.unit + 1) * dim].to_vec(),
        });
        Explained {
            name,
            shape,
            pixels: pixels.to_vec(),
            answer: class(explanation.class),
            confidence: explanation.probabilities[explanation.class].into(),
            truth: truth.map(class),
            gradient: explanation.gradient.clone(),
            gradient_times_input: explanation.gradient_times_input.clone(),
            smooth_grad: explanation.smooth_grad.clone(),
            misled: explanation.adversarial.as_ref().map(|adversarial| Misled {
                pixels: adversarial.pixels.clone(),
                step: adversarial.step,
                least_step: adversarial.least_step,
                answer: class(adversarial.class),
                confidence: adversarial.probability.into(),
            }),
            units: units.collect(),
        }
    }

    /// An explanation as numbers.
    pub fn json(&self, explanation: &Explanation) -> Value {
        let adversarial = explanation.adversarial.as_ref().map(|adversarial| {
            json!({
                "step": adversarial.step,
                "least_step": adversarial.least_step,
                "class": self.classes[adversarial.class],
                "probability": adversarial.probability,
                "pixels": adversarial.pixels,
            })
        });
        let units = explanation.units.iter().map(|unit| {
            json!({
                "unit": unit.unit + 1,
                "activation": unit.activation,
                "gradient": unit.gradient,
                "contribution": unit.contribution,
                "share": unit.share,
            })
        });
        json!({
            "gradient": explanation.gradient,
            "gradient_times_input": explanation.gradient_times_input,
            "smooth_grad": explanation.smooth_grad,
            "adversarial": adversarial,
            "units": units.collect::<Vec<_>>(),
        })
    }
}

/// Some images of a run for its page: right, wrong, and least certain ones.
///
/// # Errors
/// If the network cannot be asked.
pub(super) fn of_a_run(
    model: &ModelFile,
    classes: &[String],
    predictions: &Predictions<'_>,
    set: &str,
) -> Result<Vec<ExplainedGroup>, Error> {
    let images = predictions.images();
    // Of each image six pictures, and a tile for each unit.
    let most = MOST_VALUES / (3 * (6 + UNITS) * images.dim());
    if most == 0 {
        return Ok(vec![]);
    }
    let mut explaining = Explaining::new(model, classes.to_vec(), SmoothGrad::default())?;
    let mut groups = vec![];
    for (title, rows) in predictions.remarkable(most.min(EACH)) {
        let mut group = ExplainedGroup { title: title.into(), images: vec![] };
        for row in rows {
            let explanation = explaining.explain(images, row)?;
            let truth = usize::from(images.labels()[row as usize]);
            let pixels = (images.image(row as usize), images.shape());
            let name = format!("{set} image {row}");
            group.images.push(explaining.shown(&explanation, pixels, name, Some(truth)));
        }
        groups.push(group);
    }
    Ok(groups)
}
