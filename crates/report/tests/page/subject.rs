//! A run that never was: small enough to work its figures out by hand.

use std::fmt::Write as _;
use std::path::Path;

use chainrule_data::{Images, Shape};
use chainrule_report::{
    Command, DecidingUnit, Explained, ExplainedGroup, FirstLayer, Misled, Predictions, Report, Run,
};

/// Names that would break out of a page that does not escape them.
pub const CLASSES: [&str; 3] = ["<script>alert(1)</script>", "cat & \"dog\"", "it's"];

pub fn classes() -> Vec<String> {
    CLASSES.map(str::to_owned).to_vec()
}

pub const SHAPE: Shape = Shape { channels: 3, height: 4, width: 4 };

/// Eight images: three of the first class, three of the second, two of the third.
pub fn images() -> Images {
    let pixels = (0..8 * 48).map(|i| (i * 29 % 256) as u8).collect();
    Images::new(pixels, vec![0, 0, 0, 1, 1, 1, 2, 2], SHAPE, 3).unwrap()
}

/// What the network makes of them. Right are images 0, 1, 3, 4 and 6: five of eight.
pub const PROBABILITIES: [[f32; 3]; 8] = [
    [0.75, 0.125, 0.125],
    [0.5, 0.25, 0.25],
    [0.125, 0.75, 0.125], // a mistake
    [0.25, 0.5, 0.25],
    [0.0, 1.0, 0.0],
    [0.0, 0.125, 0.875], // the most confident mistake
    [0.25, 0.25, 0.5],
    [0.5, 0.375, 0.125], // a mistake
];

pub fn predictions(images: &Images) -> Predictions<'_> {
    Predictions::new(images, (0..8).collect(), PROBABILITIES.concat())
}

/// A run of two epochs of 60 steps, without a summary if it has not `ended`.
pub fn run(name: &str, seed: u32, ended: bool) -> Run {
    let mut epochs = String::from(
        "epoch,iteration,train_loss,train_accuracy,validation_loss,validation_accuracy,\
         learning_rate,seconds,fc1_update_ratio,fc2_update_ratio\n",
    );
    epochs.push_str("0,0,1.0986,0.3333,1.0986,0.34,0.1,0.1,0,0\n");
    epochs.push_str("1,60,0.75,0.5,0.8125,0.4375,0.1,1.5,0.002,0.004\n");
    epochs.push_str("2,120,0.5,0.75,0.625,0.5625,0.05,2.5,0.001,0.003\n");
    let mut steps =
        String::from("iteration,epoch,loss,learning_rate,images_per_second,gradient_norm\n");
    for i in 1..=120 {
        let (epoch, rate) = if i <= 60 { (1, 0.1) } else { (2, 0.05) };
        let loss = 0.4 + 30.0 / f64::from(i + 10);
        writeln!(steps, "{i},{epoch},{loss},{rate},1000,{}", 2.0 * loss).unwrap();
    }
    let config = format!(
        "hidden_dim = [4]\nlearning_rate = 0.1\nepochs = 2\nseed = {seed}\n\
         init_from = \"<b>&'\\\"\"\n[provenance]\nprocessor = \"<i>\"\n"
    );
    let summary = "{\"test_accuracy\": 0.625, \"test_loss\": 0.75, \"seconds\": 2.6, \
                   \"images_per_second\": 123456.7, \"threads\": 2}";
    let tables = (epochs.as_bytes(), steps.as_bytes());
    let summary = ended.then_some(summary);
    Run::from_parts(Path::new(name), tables.0, tables.1, Some(&config), summary).unwrap()
}

/// What a network looked at in an image; its texts are those of files.
pub fn explained() -> ExplainedGroup {
    let values: Vec<f32> = (0..48).map(|i| (i * 29 % 48) as f32 - 20.0).collect();
    let [right, wrong] = ["<b>bold</b>", "it's"].map(str::to_owned);
    ExplainedGroup {
        title: "Least certain".into(),
        images: vec![Explained {
            name: "<i>7</i>.png".into(),
            shape: SHAPE,
            pixels: vec![200; 48],
            answer: right.clone(),
            confidence: 0.75,
            truth: Some(wrong.clone()),
            gradient: values.clone(),
            gradient_times_input: values.clone(),
            smooth_grad: values.clone(),
            misled: Some(Misled {
                pixels: vec![203; 48],
                step: 3,
                least_step: 2.25,
                answer: wrong,
                confidence: 0.5,
            }),
            units: vec![DecidingUnit { unit: 4, share: -0.125, weights: values }],
        }],
    }
}

/// All that can be known of a run.
pub fn report<'a>(run: Run, images: &'a Images, weights: &'a [f32]) -> Report<'a> {
    let predictions = predictions(images);
    Report {
        run,
        first_layer: Some(FirstLayer { weights, shape: SHAPE }),
        confusion: Some(predictions.confusion(&classes())),
        predictions: Ok(predictions),
        set: "test",
        explained: vec![explained()],
        commands: vec![Command {
            about: "Again:".into(),
            line: "chainrule train --recipe 'a b'/config.toml".into(),
        }],
    }
}
