//! Problem 4.2 as a Jupyter notebook (nbformat 4.5): the mathematics of each layer beside its source,
//! and a training run with what it printed and drew.
//!
//! Its cells are Python that calls `chainrule`, for a kernel of Rust would compile the whole workspace
//! each time it starts.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chainrule_graph::assignment::{COMPUTED, Title};
use chainrule_nn::source;
use chainrule_runs::Run;
use serde_json::{Value, json};

/// The name of its file.
pub(super) const FILE: &str = "problem-4.2.ipynb";

/// A part of the network: its mathematics, and the items of a file that compute it.
struct Part {
    heading: &'static str,
    mathematics: &'static str,
    file: &'static str,
    text: &'static str,
    items: &'static [&'static str],
}

const PARTS: [Part; 5] = [
    Part {
        heading: "The fully connected layer",
        mathematics: r"A batch of $N$ examples stands in the rows of $X$, ($N \times D$). The layer has weights $W$, ($D \times M$), and a bias $b$:

$$Z = X W + b$$

With $dZ = \partial L / \partial Z$ the chain rule gives

$$dX = dZ\, W^\top, \qquad dW = X^\top dZ, \qquad db = \sum_{i=1}^{N} dZ_i .$$

In the code the features are cut into blocks and the outputs into tiles, so that each product fits the caches and each thread owns its weights.",
        file: "layers/linear.rs",
        text: source::LINEAR,
        items: &[
            "pub fn forward",
            "pub fn backward_input",
            "pub fn backward_weight",
            "pub fn backward_bias",
        ],
    },
    Part {
        heading: "ReLU",
        mathematics: r"$$A = \max(Z + b,\, 0), \qquad dZ = dA \odot [A > 0]$$

The derivative follows from the value, so that $Z$ need not be kept.",
        file: "layers/relu.rs",
        text: source::RELU,
        items: &["pub fn forward", "pub fn backward"],
    },
    Part {
        heading: "Softmax and cross-entropy",
        mathematics: r"For the scores $s$ of an example with the label $y$

$$p_j = \frac{e^{s_j}}{\sum_k e^{s_k}}, \qquad L = -\ln p_y = \ln \sum_k e^{s_k} - s_y, \qquad \frac{\partial L}{\partial s_j} = p_j - [j = y] .$$

The maximum is subtracted from the scores first, which changes neither and keeps every exponential at or below 1. The code knows label smoothing, mixup and weights of classes too; without them $q$ is the label.",
        file: "loss.rs",
        text: source::LOSS,
        items: &[
            "pub fn cross_entropy<",
            "pub fn weighted_cross_entropy_backward",
            "pub fn softmax",
        ],
    },
    Part {
        heading: "A step: forward, loss, backward, update",
        mathematics: r"The loss of a batch is the mean cross-entropy and an L2 penalty, $\frac{1}{N} \sum_i L_i + \frac{\lambda}{2} \sum W^2$. Stochastic gradient descent with momentum $\mu$ and learning rate $\eta$ takes the step

$$V \leftarrow \mu V + dW + \lambda W, \qquad W \leftarrow W - \eta V .$$",
        file: "step.rs",
        text: source::STEP,
        items: &["pub(crate) fn step", "pub(crate) fn forward", "pub(crate) fn backward"],
    },
    Part {
        heading: "The softmax classifier",
        mathematics: r"$$c(x) = \operatorname{softmax}\big(W_2 \max(W_1 x + b_1,\, 0) + b_2\big)$$

The class is the architecture and its parameters. With widths 3072, 100 and 10 it has $3072 \cdot 100 + 100 + 100 \cdot 10 + 10$ of them.",
        file: "classifier.rs",
        text: source::CLASSIFIER,
        items: &["pub struct SoftmaxClassifier", "impl<T: Scalar> SoftmaxClassifier<T>"],
    },
];

const SETUP: &str = r#"import csv, json, os, shutil, subprocess, tempfile
from pathlib import Path
from IPython.display import SVG, Image, display

chainrule = os.environ.get("CHAINRULE") or shutil.which("chainrule")
assert chainrule, "chainrule is not on the PATH: install it, or set CHAINRULE to the program"
settings = Path("config.toml").resolve()

def run(*arguments):
    """Runs chainrule in the folder from which the run's data are found."""
    done = subprocess.run([chainrule, *map(str, arguments)], cwd=where, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise RuntimeError(done.stdout)"#;

const TRAIN: &str = r#"folder = Path(tempfile.mkdtemp(), "run")
run("train", "--recipe", settings, "--out", folder, "--quiet")

print("epoch   training loss   training %   validation %")
for row in csv.DictReader(open(folder / "epochs.csv")):
    accuracy = [100 * float(row[key] or "nan") for key in ["train_accuracy", "validation_accuracy"]]
    print(f"{int(row['epoch']):5}   {float(row['train_loss']):13.4f}   {accuracy[0]:10.2f}   {accuracy[1]:12.2f}")"#;

const ACCURACY: &str = r#"summary = json.loads((folder / "summary.json").read_text())
print(f"accuracy on the test set: {100 * summary['test_accuracy']:.2f} %")
print(f"loss on the test set: {summary['test_loss']:.4f}")"#;

const CURVES: &str = r#"display(SVG(filename=folder / "curves.svg"))"#;
const WEIGHTS: &str = r#"display(Image(filename=folder / "weights.png"))"#;

/// Writes the notebook. `run` is the folder of a run, `place` the way from the notebook to the folder
/// in which the run's data are looked for.
pub(super) fn write(title: &Title, run: Option<&Path>, place: &str) -> anyhow::Result<String> {
    let mut cells = Cells(Vec::new());
    let line = title.line().map_or(String::new(), |line| format!("{line}\n\n"));
    cells.text(&format!(
        "# Problem 4.2: a two-layer network with softmax\n\n{line}The network is trained by the program \
         `chainrule`; below, each part stands beside the source that computes it. {COMPUTED} To run it \
         again, put `chainrule` on the `PATH`.",
    ));
    for part in PARTS {
        let mut text = format!(
            "## {}\n\n{}\n\nFrom `crates/nn/src/{}`:\n",
            part.heading, part.mathematics, part.file
        );
        for head in part.items {
            let item = source::item(part.text, head)
                .with_context(|| format!("{} has no `{head}`", part.file))?;
            // Writing to a String can't fail.
            let _ = write!(text, "\n```rust\n{item}\n```\n");
        }
        if part.file == "step.rs" {
            let head = "impl<T: Scalar> Update<T>";
            let item = source::item(source::OPTIMIZER, head)
                .with_context(|| format!("optimizer.rs has no `{head}`"))?;
            let _ = write!(text, "\nFrom `crates/nn/src/optimizer.rs`:\n\n```rust\n{item}\n```\n");
        }
        cells.text(text.trim_end());
    }
    cells.text("## The training run\n\nThe settings, in `config.toml` beside this notebook:");
    let setup =
        format!("{SETUP}\n\nwhere = Path({})\nprint(settings.read_text(), end=\"\")", json!(place));
    let Some(run) = run else {
        cells.text(
            "There is no training run to tell of yet. `chainrule train` makes one; then make this \
             notebook again.",
        );
        return cells.notebook();
    };
    let read = |name: &str| {
        let file = run.join(name);
        std::fs::read(&file).with_context(|| format!("{} could not be read", file.display()))
    };
    let text = |name: &str| anyhow::Ok(String::from_utf8_lossy(&read(name)?).into_owned());
    cells.code(&setup, text("config.toml").ok().map(|text| printed(&text)));
    cells.text("Training, epoch by epoch. Epoch 0 is the network before its first step.");
    cells.code(TRAIN, epochs(run).ok().map(|text| printed(&text)));
    cells.text("## The test set");
    let summary: Value = serde_json::from_str(&text("summary.json")?)?;
    let accuracy = summary["test_accuracy"].as_f64().context("no test_accuracy")?;
    let loss = summary["test_loss"].as_f64();
    let said = loss.map(|loss| {
        printed(&format!(
            "accuracy on the test set: {:.2} %\nloss on the test set: {loss:.4}\n",
            100.0 * accuracy
        ))
    });
    cells.code(ACCURACY, said);
    cells.text("## Curves\n\nAccuracy and loss across the iterations.");
    let curves = text("curves.svg")
        .ok()
        .map(|svg| shown("image/svg+xml", &svg, "<IPython.core.display.SVG object>"));
    cells.code(CURVES, curves);
    cells.text("## Weights\n\nThe first layer, one tile a hidden unit.");
    let weights = read("weights.png").ok().map(|png| {
        let png = BASE64_STANDARD.encode(png);
        shown("image/png", &png, "<IPython.core.display.Image object>")
    });
    cells.code(WEIGHTS, weights);
    cells.notebook()
}

/// What the training cell prints.
fn epochs(folder: &Path) -> anyhow::Result<String> {
    let run = Run::read(folder)?;
    let mut text = String::from("epoch   training loss   training %   validation %\n");
    for epoch in &run.epochs {
        let validation = match 100.0 * epoch.validation_accuracy {
            percent if percent.is_nan() => "nan".to_owned(), // as Python writes it
            percent => format!("{percent:.2}"),
        };
        let _ = writeln!(
            text,
            "{:5}   {:13.4}   {:10.2}   {validation:>12}",
            epoch.epoch,
            epoch.train_loss,
            100.0 * epoch.train_accuracy,
        );
    }
    Ok(text)
}

struct Cells(Vec<Value>);

impl Cells {
    fn text(&mut self, markdown: &str) {
        self.0.push(json!({
            "cell_type": "markdown",
            "id": format!("text-{}", self.0.len()),
            "metadata": {},
            "source": lines(markdown),
        }));
    }

    fn code(&mut self, python: &str, output: Option<Value>) {
        let before = self.0.iter().filter(|cell| cell["cell_type"] == "code").count();
        self.0.push(json!({
            "cell_type": "code",
            "execution_count": output.as_ref().map(|_| before + 1),
            "id": format!("code-{}", self.0.len()),
            "metadata": {},
            "outputs": output.into_iter().collect::<Vec<_>>(),
            "source": lines(python),
        }));
    }

    fn notebook(self) -> anyhow::Result<String> {
        let notebook = json!({
            "cells": self.0,
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        });
        Ok(serde_json::to_string_pretty(&notebook)? + "\n")
    }
}

/// Text as a notebook keeps it: a list of lines, each with its end.
fn lines(text: &str) -> Value {
    text.split_inclusive('\n').collect()
}

/// What a cell printed.
fn printed(text: &str) -> Value {
    json!({"name": "stdout", "output_type": "stream", "text": lines(text)})
}

/// What a cell showed.
fn shown(kind: &str, data: &str, plain: &str) -> Value {
    let data = if kind.ends_with("xml") { lines(data) } else { json!(data) };
    json!({
        "data": {kind: data, "text/plain": [plain]},
        "metadata": {},
        "output_type": "display_data",
    })
}
