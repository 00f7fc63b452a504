//! What a network consists of: layer by layer its output, its parameters, and what it costs to run.
//!
//! The figures are counted as torchinfo counts them, so that they can be laid beside those of a
//! PyTorch model: a linear layer takes a multiply-add for each weight and each bias, a normalization
//! one for each γ and β, for each example; running statistics are no parameters; the outputs of the
//! layers with parameters are counted twice, for the backward pass keeps their gradients.

use std::fmt::Write;

use chainrule_data::Shape;
use chainrule_nn::{Activation, Hidden, Norm};
use serde::Serialize;

use crate::ModelFile;

/// Bytes of a number.
const FLOAT: u64 = size_of::<f32>() as u64;

/// A network, layer by layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// In the order of the forward pass.
    pub layers: Vec<Layer>,
    /// Examples in the batch that it is described for.
    pub batch_size: u64,
    /// Weights, biases and scales, all of which are trained.
    pub parameters: u64,
    /// Of the batch.
    pub mult_adds: u64,
    /// Bytes of the batch, as numbers.
    pub input_bytes: u64,
    /// Bytes of the outputs of the layers with parameters, and of their gradients.
    pub forward_backward_bytes: u64,
    /// Bytes of the parameters.
    pub parameter_bytes: u64,
}

/// A layer, as PyTorch parts them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Such as `fc1`; of a layer without parameters, the number of the hidden layer behind its name.
    pub name: String,
    /// The name of PyTorch's module.
    pub kind: &'static str,
    /// (batch, features)
    pub output_shape: [u64; 2],
    /// Weights, biases and scales.
    pub parameters: u64,
    /// Of the batch.
    pub mult_adds: u64,
}

impl Description {
    /// A network of these widths (inputs, hidden widths, classes) with a batch of so many examples.
    /// Nothing of its size is allocated.
    ///
    /// # Panics
    /// If there are fewer than two widths.
    pub fn new(widths: &[usize], hidden: Hidden, batch_size: u64) -> Description {
        let &[inputs, .., _] = widths else { panic!("{widths:?}: inputs and classes") };
        let mut layers = vec![layer("flatten", "Flatten", inputs, 0, batch_size)];
        let last = widths.len() - 1;
        for (n, pair) in (1..).zip(widths.windows(2)) {
            let (inputs, outputs) = (pair[0] as u64, pair[1]);
            // The β of a normalization stands in the place of the bias.
            let norm = if n < last { hidden.norm } else { Norm::None };
            let biases = if norm == Norm::None { outputs as u64 } else { 0 };
            let weights = inputs.saturating_mul(outputs as u64);
            let parameters = weights.saturating_add(biases);
            layers.push(layer(format!("fc{n}"), "Linear", outputs, parameters, batch_size));
            if n == last {
                break;
            }
            let kind = match norm {
                Norm::None => None,
                Norm::Batch => Some("BatchNorm1d"),
                Norm::Layer => Some("LayerNorm"),
            };
            if let Some(kind) = kind {
                let parameters = 2 * outputs as u64;
                layers.push(layer(format!("norm{n}"), kind, outputs, parameters, batch_size));
            }
            let kind = match hidden.activation {
                Activation::Relu => "ReLU",
                Activation::LeakyRelu => "LeakyReLU",
                Activation::Gelu => "GELU",
                Activation::Tanh => "Tanh",
                Activation::Sigmoid => "Sigmoid",
            };
            layers.push(layer(format!("{}{n}", hidden.activation), kind, outputs, 0, batch_size));
        }
        let sum = |of: fn(&Layer) -> u64| {
            layers.iter().fold(0u64, |sum, layer| sum.saturating_add(of(layer)))
        };
        let outputs = sum(|layer| match layer.parameters {
            0 => 0,
            _ => layer.output_shape[0].saturating_mul(layer.output_shape[1]),
        });
        let parameters = sum(|layer| layer.parameters);
        Description {
            batch_size,
            parameters,
            mult_adds: sum(|layer| layer.mult_adds),
            input_bytes: FLOAT.saturating_mul(batch_size).saturating_mul(inputs as u64),
            forward_backward_bytes: outputs.saturating_mul(2 * FLOAT),
            parameter_bytes: parameters.saturating_mul(FLOAT),
            layers,
        }
    }

    /// The network of a model file, in which whitening and batch normalization are folded.
    pub fn of(model: &ModelFile, batch_size: u64) -> Description {
        Self::new(model.classifier.widths(), model.classifier.hidden(), batch_size)
    }

    /// What it takes in all, in a line.
    pub fn compact(&self) -> String {
        format!(
            "{} parameters ({}), {} multiply-adds for {}",
            grouped(self.parameters),
            megabytes(self.parameter_bytes),
            grouped(self.mult_adds),
            if self.batch_size == 1 {
                "an image".into()
            } else {
                format!("{} images", self.batch_size)
            }
        )
    }

    /// The table that torchinfo prints.
    pub fn table(&self) -> String {
        let mut rows =
            vec![["Layer (type)", "Output Shape", "Param #", "Mult-Adds"].map(String::from)];
        for Layer { name, kind, output_shape: [batch, features], parameters, mult_adds } in
            &self.layers
        {
            let count = |n: u64| if *parameters == 0 { "--".into() } else { grouped(n) };
            rows.push([
                format!("{name} ({kind})"),
                format!("[{batch}, {features}]"),
                count(*parameters),
                count(*mult_adds),
            ]);
        }
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        let line = "=".repeat(widths.iter().sum::<usize>() + 3 * 3);
        let mut text = format!("{line}\n");
        for (i, [layer, shape, parameters, mult_adds]) in rows.iter().enumerate() {
            let [a, b, c, d] = widths;
            writeln!(text, "{layer:<a$}   {shape:<b$}   {parameters:>c$}   {mult_adds:>d$}")
                .expect("text takes all");
            if i == 0 {
                text += &format!("{line}\n");
            }
        }
        let total = self.input_bytes.saturating_add(self.forward_backward_bytes);
        let total = total.saturating_add(self.parameter_bytes);
        text + &format!(
            "{line}\n\
             Total params: {}\n\
             Trainable params: {0}\n\
             Non-trainable params: 0\n\
             Total mult-adds: {}\n\
             {line}\n\
             Input size: {}\n\
             Forward/backward pass size: {}\n\
             Params size: {}\n\
             Estimated total size: {}\n\
             {line}\n",
            grouped(self.parameters),
            grouped(self.mult_adds),
            megabytes(self.input_bytes),
            megabytes(self.forward_backward_bytes),
            megabytes(self.parameter_bytes),
            megabytes(total),
        )
    }
}

fn layer(
    name: impl Into<String>,
    kind: &'static str,
    features: usize,
    parameters: u64,
    batch_size: u64,
) -> Layer {
    Layer {
        name: name.into(),
        kind,
        output_shape: [batch_size, features as u64],
        parameters,
        mult_adds: parameters.saturating_mul(batch_size),
    }
}

/// How a model file normalizes its pixels, in words.
pub fn normalization(model: &ModelFile) -> String {
    let each = match (model.normalization.mean().len(), model.shape()) {
        (1, _) => "one mean and deviation for all values",
        (n, Some(Shape { channels, .. })) if n == channels => {
            "a mean and deviation for each channel"
        }
        (n, _) if n == model.classifier.widths()[0] => "a mean and deviation for each value",
        _ => "a mean and deviation for each group of values",
    };
    match model.normalization.contrast() {
        Some(contrast) => format!("per-image contrast with regularizer {contrast}, then {each}"),
        None => format!("(pixel - mean) / std, with {each}"),
    }
}

/// A number with commas between its thousands.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As torchinfo: a megabyte is a million bytes.
fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the rules of torchinfo 1.8 (`LayerInfo.calculate_macs`, `ModelStatistics`), worked by hand
    /// for `nn.Sequential(nn.Flatten(), nn.Linear(3072, 100), nn.ReLU(), nn.Linear(100, 10))` with
    /// `input_size=(4, 3, 32, 32)`.
    #[test]
    fn parameters_multiply_adds_and_memory_are_those_of_torchinfo() {
        let found = Description::new(&[3072, 100, 10], Hidden::default(), 4);
        let counts: Vec<_> =
            found.layers.iter().map(|layer| (&*layer.name, layer.kind, layer.parameters)).collect();
        assert_eq!(
            counts,
            [
                ("flatten", "Flatten", 0),
                ("fc1", "Linear", 3072 * 100 + 100),
                ("relu1", "ReLU", 0),
                ("fc2", "Linear", 100 * 10 + 10),
            ]
        );
        assert_eq!(found.parameters, 308_310);
        assert_eq!(found.mult_adds, 4 * 308_310);
        assert_eq!(found.input_bytes, 4 * 3072 * 4);
        assert_eq!(found.forward_backward_bytes, 2 * 4 * (100 + 10) * 4);
        assert_eq!(found.parameter_bytes, 308_310 * 4);
        assert_eq!(found.layers[1].output_shape, [4, 100]);
        let table = found.table();
        for line in [
            "fc1 (Linear)        [4, 100]       307,300   1,229,200\n",
            "relu1 (ReLU)        [4, 100]            --          --\n",
            "Total params: 308,310\nTrainable params: 308,310\n",
            "Params size: 1.23 MB\n",
        ] {
            assert!(table.contains(line), "{line} is not in\n{table}");
        }
        assert_eq!(
            found.compact(),
            "308,310 parameters (1.23 MB), 1,233,240 multiply-adds for 4 images"
        );
    }

    /// Linear layers before a normalization without a bias, as PyTorch's users write them.
    #[test]
    fn a_normalization_has_its_scale_and_shift_and_no_other_parameters() {
        for (norm, kind) in [(Norm::Batch, "BatchNorm1d"), (Norm::Layer, "LayerNorm")] {
            let hidden = Hidden { norm, activation: Activation::Gelu };
            let found = Description::new(&[12, 5, 4, 3], hidden, 1);
            let kinds: Vec<_> = found.layers.iter().map(|layer| layer.kind).collect();
            let wanted = ["Flatten", "Linear", kind, "GELU", "Linear", kind, "GELU", "Linear"];
            assert_eq!(kinds, wanted);
            assert_eq!(found.parameters, 12 * 5 + 10 + 5 * 4 + 8 + 4 * 3 + 3);
        }
        let linear = Description::new(&[12, 3], Hidden::default(), 1);
        assert_eq!((linear.layers.len(), linear.parameters), (2, 39));
    }

    #[test]
    fn a_network_that_no_machine_holds_is_described_without_a_panic() {
        let found = Description::new(&[usize::MAX, usize::MAX, 2], Hidden::default(), u64::MAX);
        assert_eq!(found.parameters, u64::MAX);
        assert!(found.table().contains("18,446,744,073,709,551,615"));
    }
}
