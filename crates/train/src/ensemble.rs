//! An ensemble as one network: its scores are the mean of its members' scores.
//!
//! ```text
//! fc1   W = [W₁; W₂; …]            the hidden units of all members, one below the other
//! fc2…  W = diag(W₁, W₂, …)        each member reads its own units: zeros between the blocks
//! last  W = [W₁, W₂, …] / n        b = (b₁ + b₂ + …) / n
//! ```
//!
//! With z_k the scores of member k, the scores are (z₁ + … + z_n) / n, to the rounding of f32. Batch
//! normalizations are folded into the weights first. The members may have normalized their pixels by
//! other means and deviations, as runs of different seeds have: the ensemble has those of the first,
//! and the others' first layers are brought to them,
//!
//! ```text
//! x_k = r x + t,  r = σ / σ_k,  t = (μ - μ_k) / σ_k        W_k x_k + b_k = (W_k r) x + (b_k + W_k t)
//! ```

use std::path::Path;
use std::time::Instant;

use chainrule_data::{Amount, Normalization, Split};
use chainrule_nn::{Architecture, Hidden, Norm, SoftmaxClassifier};
use chainrule_runs::folder::{LAST, MODEL};
use chainrule_runs::records::as_written;
use chainrule_runs::{Epoch, Iteration, Provenance, RunFolder, Summary, Table};
use chainrule_tensor::{Kernel, Precision};

use crate::config::Tta;
use crate::setup::{provenance, record};
use crate::test::Test;
use crate::weights::Opened;
use crate::{
    Config, Data, Error, ModelFile, Origin, Predictor, available_memory, prepared, threads,
};

/// One network whose scores are the mean of those of the `members`.
///
/// # Errors
/// [`Error::Model`], which names the first member that does not match the first: another number of
/// layers or of classes, other names of the classes, another activation, another contrast
/// normalization; if a member has a layer normalization; if there is too little memory; if there are
/// fewer than two members.
pub fn ensemble(members: &[Opened]) -> Result<ModelFile, Error> {
    let [first, others @ ..] = members else {
        return Err(refused(
            Path::new("ensemble"),
            "it has no member: expected two or more".into(),
        ));
    };
    if others.is_empty() {
        let problem = "it is the only member: expected two or more".into();
        return Err(refused(&first.path, problem));
    }
    for member in members {
        check(&first.model, &member.model).map_err(|problem| {
            refused(&member.path, format!("{problem}, as {} has", first.path.display()))
        })?;
        if member.model.classifier.hidden().norm == Norm::Layer {
            let problem = "it has a layer normalization, which is over all units of a layer: \
                           expected members without";
            return Err(refused(&member.path, problem.into()));
        }
    }
    let parts: Vec<SoftmaxClassifier> = members
        .iter()
        .map(|member| in_units_of(&first.model.normalization, &member.model))
        .collect();
    let classifier = side_by_side(&parts).map_err(|problem| refused(&first.path, problem))?;
    let names = members.iter().map(|member| member.path.display().to_string()).collect();
    Ok(ModelFile { classifier, members: names, ..first.model.clone() })
}

/// Writes an ensemble into an empty folder, as a run that took no step: the network, its accuracies,
/// the test, and the settings of the first of the runs, `origins`, that its
/// members come from, on `data`, which are their images.
///
/// Where not all members have the same validation images, each of these is a training image of some
/// member. Then the ensemble has no validation images, and its training images are all of them.
///
/// # Errors
/// If a file cannot be written, or a score is not finite.
///
/// # Panics
/// If there is no origin.
pub fn write(
    model: &ModelFile,
    origins: &[Origin],
    data: &Data,
    folder: &RunFolder,
) -> Result<Summary, Error> {
    let clock = Instant::now();
    let (out, dataset, widths) = (folder.path(), &data.dataset, model.classifier.widths());
    let first = &origins[0].config;
    let splits: Vec<Split> =
        origins.iter().map(|origin| origin.split(data)).collect::<Result<_, _>>()?;
    let is_shared = splits.iter().all(|split| split.validation == splits[0].validation);
    let mut config = Config {
        hidden_dim: widths[1..widths.len() - 1].to_vec(),
        norm: Norm::None,
        zca: None,
        validation: if is_shared { splits[0].validation.len() } else { 0 },
        ..first.clone()
    };
    config.threads = threads(config.threads);
    let split = prepared::split(&config, dataset.train.len())?;
    let isa = Kernel::isa_from_environment()?;
    let mut predictor = Predictor::with_isa(model, config.threads, isa)?;
    let (images, labels) = (&dataset.train, dataset.train.labels());
    let mut measure = |rows: &[u32]| {
        predictor.ask(images, rows, Tta::NONE).map(|answers| answers.evaluate(labels))
    };
    let train = measure(match config.train_sample {
        0 => &split.train,
        n => &split.train[..n.min(split.train.len())],
    })?;
    let validation = measure(&split.validation)?;
    let test = Test::of(model, dataset, config.tta, config.threads, isa)?;
    let seconds = clock.elapsed().as_secs_f64();
    let epoch = Epoch {
        epoch: 0,
        iteration: 0,
        train_loss: as_written(train.loss),
        train_accuracy: train.accuracy(labels),
        validation_loss: as_written(validation.loss),
        validation_accuracy: validation.accuracy(labels),
        learning_rate: None,
        seconds: Some(seconds),
    };
    let provenance = Provenance { members: model.members.clone(), ..provenance(data, isa.into()) };
    let summary = Summary {
        test_accuracy: test.accuracy,
        test_flips: config.tta.flips,
        test_shifts: config.tta.shifts,
        test_accuracy_plain: test.accuracy_plain,
        test_loss: test.loss,
        validation_accuracy: epoch.validation_accuracy,
        train_accuracy: epoch.train_accuracy,
        best_epoch: 0,
        iterations: 0,
        epochs: 0,
        seconds,
        images_per_second: 0.0,
        hidden_dim: config.hidden_dim.clone(),
        seed: config.seed,
        threads: config.threads,
        ranks: None,
        kernel: isa.to_string(),
        precision: Precision::F32.to_string(),
        data: data.source.clone(),
        duplicates_across: Some(data.duplicates.across).filter(|&n| n > 0),
        cycles: vec![],
        teacher: None,
        macro_precision: Some(test.metrics.macro_precision),
        macro_recall: Some(test.metrics.macro_recall),
        macro_f1: Some(test.metrics.macro_f1),
        balanced_accuracy: Some(test.metrics.balanced_accuracy),
        top_5_accuracy: test.answers.top_5_accuracy(dataset.test.labels()),
    };
    model.save(&out.join(MODEL))?;
    model.save(&out.join(LAST))?;
    Table::write_all(out, &[epoch])?;
    Table::<Iteration>::write_all(out, &[])?;
    test.confusion.write(out)?;
    test.metrics.write(out)?;
    record(out, &config, Some(&provenance))?;
    summary.write(out)?;
    Ok(summary)
}

fn refused(path: &Path, problem: String) -> Error {
    Error::Model { path: path.to_owned(), problem }
}

/// Whether `member` can stand beside `first`; what was found and expected, if not.
fn check(first: &ModelFile, member: &ModelFile) -> Result<(), String> {
    let (a, b) = (&first.classifier, &member.classifier);
    let ends = |of: &SoftmaxClassifier| (of.widths()[0], of.widths()[of.depth()]);
    let differ = |what: &str, b: &dyn std::fmt::Display, a: &dyn std::fmt::Display| {
        Err(format!("it has {b} {what}: expected {a}"))
    };
    if b.depth() != a.depth() {
        return differ("layers", &b.depth(), &a.depth());
    }
    let ((inputs, classes), (own_inputs, own_classes)) = (ends(a), ends(b));
    if own_inputs != inputs {
        return differ("input values", &own_inputs, &inputs);
    }
    if own_classes != classes {
        return differ("classes", &own_classes, &classes);
    }
    if member.classes() != first.classes() || member.shape() != first.shape() {
        return Err(
            "it was trained on other classes or another size of image: expected the same".into()
        );
    }
    if a.depth() > 1 && b.hidden().activation != a.hidden().activation {
        return differ("as activation", &b.hidden().activation, &a.hidden().activation);
    }
    let contrast = |of: &ModelFile| match of.normalization.contrast() {
        Some(regularizer) => format!("a contrast normalization of {regularizer}"),
        None => "no contrast normalization".into(),
    };
    match contrast(member) == contrast(first) {
        true => Ok(()),
        false => Err(format!("it has {}: expected {}", contrast(member), contrast(first))),
    }
}

/// The network of `member`, without batch normalization, for pixels that are normalized as
/// `normalization` says.
fn in_units_of(normalization: &Normalization, member: &ModelFile) -> SoftmaxClassifier {
    let mut classifier = member.classifier.folded();
    if member.normalization == *normalization {
        return classifier;
    }
    let inputs = classifier.widths()[0];
    // One mean or deviation stands for a whole run of values.
    let at = |values: &[f32], i: usize| f64::from(values[i * values.len() / inputs]);
    let own = &member.normalization;
    let (factors, summands): (Vec<f64>, Vec<f64>) = (0..inputs)
        .map(|i| {
            let std = at(own.std(), i);
            (
                at(normalization.std(), i) / std,
                (at(normalization.mean(), i) - at(own.mean(), i)) / std,
            )
        })
        .unzip();
    let mut moved = Vec::with_capacity(classifier.widths()[1]);
    for row in classifier.weight_mut(0).chunks_exact_mut(inputs) {
        moved.push(row.iter().zip(&summands).map(|(&w, t)| f64::from(w) * t).sum::<f64>());
        row.iter_mut().zip(&factors).for_each(|(w, r)| *w = (f64::from(*w) * r) as f32);
    }
    for (bias, moved) in classifier.bias_mut(0).iter_mut().zip(moved) {
        *bias = (f64::from(*bias) + moved) as f32;
    }
    classifier
}

/// The members beside each other, and the mean of their scores behind them.
fn side_by_side(parts: &[SoftmaxClassifier]) -> Result<SoftmaxClassifier, String> {
    let first = &parts[0];
    let (depth, n) = (first.depth(), parts.len());
    let mut widths = first.widths().to_vec();
    for (l, width) in widths.iter_mut().enumerate().take(depth).skip(1) {
        *width = parts.iter().map(|part| part.widths()[l]).sum();
    }
    let hidden = Hidden { norm: Norm::None, ..first.hidden() };
    let architecture = Architecture::new(&widths, hidden).map_err(|error| error.to_string())?;
    let needed = (architecture.len() as u64).saturating_mul(2 * size_of::<f32>() as u64);
    if let Some(memory) = available_memory().filter(|memory| memory.bytes < needed) {
        let needed = Amount(needed);
        return Err(format!(
            "the ensemble takes {needed} of memory, and {memory}: take fewer members"
        ));
    }
    let values = vec![0.0; architecture.len()];
    let mut whole = SoftmaxClassifier::from_parameters(architecture, values);
    for (l, &columns) in widths.iter().enumerate().take(depth) {
        let (is_first, is_last) = (l == 0, l + 1 == depth);
        let (mut row, mut column) = (0, 0);
        for part in parts {
            let (inputs, outputs) = (part.widths()[l], part.widths()[l + 1]);
            let factor = if is_last { n as f32 } else { 1.0 };
            let weight = whole.weight_mut(l);
            for (o, from) in part.weight(l).chunks_exact(inputs).enumerate() {
                let at = (row + o) * columns + column;
                let to = &mut weight[at..at + inputs];
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from / factor);
            }
            let bias = &mut whole.bias_mut(l)[row..row + outputs];
            bias.iter_mut().zip(part.bias(l)).for_each(|(to, from)| *to += from / factor);
            column += if is_first { 0 } else { inputs };
            row += if is_last { 0 } else { outputs };
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use chainrule_data::sample;
    use chainrule_nn::{Activation, Init};

    use super::*;
    use crate::Task;

    /// A network with a batch normalization that has seen batches, and pixels of its own mean.
    fn member(widths: &[usize], hidden: Hidden, normalization: Normalization, seed: u64) -> Opened {
        let mut classifier =
            SoftmaxClassifier::with_hidden(widths, hidden, Init::He, seed).unwrap();
        let mut value = seed as f32;
        for tensor in classifier.layout() {
            if !tensor.name.ends_with("weight") || tensor.name.starts_with("norm") {
                for x in &mut classifier.parameters_mut()[tensor.range] {
                    value = (value * 1.7 + 0.31) % 1.0;
                    *x = 0.25 + value;
                }
            }
        }
        let model = ModelFile { classifier, normalization, task: None, members: vec![] };
        Opened { path: PathBuf::from(format!("{seed}.safetensors")), model, remarks: vec![] }
    }

    fn scores(model: &ModelFile) -> Vec<f32> {
        let images = sample::read().test;
        Predictor::new(model, 1)
            .unwrap()
            .ask(&images, &(0..20).collect::<Vec<_>>(), Tta::NONE)
            .unwrap()
            .scores()
            .to_vec()
    }

    fn normalizations() -> [Normalization; 3] {
        let of = |mean: Vec<f32>, std: Vec<f32>| Normalization::new(mean, std).unwrap();
        let each = |by: usize, from: f32| (0..3072).map(|i| from + (i % by) as f32).collect();
        [
            of(vec![120.0, 118.0, 110.0], vec![60.0, 61.0, 62.0]),
            of(each(7, 117.0), each(5, 58.0)),
            of(vec![115.5], vec![64.0]),
        ]
    }

    #[test]
    fn the_scores_of_an_ensemble_are_the_mean_of_its_members() {
        for (widths, norm, activation) in [
            (&[&[3072, 40, 10][..], &[3072, 30, 10], &[3072, 7, 10]], Norm::None, Activation::Relu),
            (
                &[&[3072, 20, 9, 6, 10], &[3072, 8, 5, 4, 10], &[3072, 6, 7, 8, 10]],
                Norm::Batch,
                Activation::Gelu,
            ),
            (&[&[3072, 10], &[3072, 10], &[3072, 10]], Norm::None, Activation::Relu),
        ] {
            for contrast in [None, Some(10.0)] {
                let normalizations = normalizations().map(|normalization| match contrast {
                    None => normalization,
                    // After a contrast normalization values are of the order of 1.
                    Some(_) => {
                        let scaled = |values: &[f32]| values.iter().map(|x| x / 60.0).collect();
                        let (mean, std) = (normalization.mean(), normalization.std());
                        let of = Normalization::new(scaled(mean), scaled(std)).unwrap();
                        of.with_contrast(contrast).unwrap()
                    }
                });
                let members: Vec<Opened> = (widths.iter().zip(normalizations).zip(3..))
                    .map(|((widths, normalization), seed)| {
                        member(widths, Hidden { norm, activation }, normalization, seed)
                    })
                    .collect();
                let whole = ensemble(&members).unwrap();
                assert_eq!(whole.members, ["3.safetensors", "4.safetensors", "5.safetensors"]);
                let depth = whole.classifier.depth();
                for l in 1..depth {
                    let sum: usize = widths.iter().map(|widths| widths[l]).sum();
                    assert_eq!(whole.classifier.widths()[l], sum);
                }
                let own: Vec<Vec<f32>> =
                    members.iter().map(|member| scores(&member.model)).collect();
                for (i, found) in scores(&whole).into_iter().enumerate() {
                    let mean = own.iter().map(|own| f64::from(own[i])).sum::<f64>() / 3.0;
                    let size = own.iter().map(|own| own[i].abs()).fold(1.0, f32::max);
                    let error = (f64::from(found) - mean).abs();
                    assert!(error < 2e-5 * f64::from(size), "{found} {mean}: {widths:?}");
                }
                let again = ModelFile::parse(&whole.serialize()).unwrap();
                assert_eq!(again, whole);
            }
        }
    }

    #[test]
    fn members_that_do_not_match_are_refused_by_file_in_a_sentence() {
        let [normalization, ..] = normalizations();
        let plain = Hidden::default();
        let of = |widths: &[usize], hidden| member(widths, hidden, normalization.clone(), 1);
        let first = of(&[3072, 5, 10], plain);
        let problem = |other: Opened| {
            let other = Opened { path: "other".into(), ..other };
            ensemble(&[first.clone(), other]).unwrap_err().to_string()
        };
        let case = |widths: &[usize], hidden| problem(of(widths, hidden));
        let tanh = Hidden { activation: Activation::Tanh, ..plain };
        let layer = Hidden { norm: Norm::Layer, ..plain };
        for (found, expected) in [
            (case(&[3072, 5, 5, 10], plain), "other: it has 3 layers: expected 2"),
            (case(&[12, 5, 10], plain), "other: it has 12 input values: expected 3072"),
            (case(&[3072, 5, 9], plain), "other: it has 9 classes: expected 10"),
            (case(&[3072, 5, 10], tanh), "other: it has tanh as activation: expected relu"),
            (case(&[3072, 5, 10], layer), "other: it has a layer normalization"),
        ] {
            assert!(found.starts_with(expected), "{found}");
        }
        let mut contrast = first.clone();
        contrast.model.normalization =
            contrast.model.normalization.with_contrast(Some(10.0)).unwrap();
        let found = problem(contrast);
        assert!(found.contains("contrast normalization of 10: expected no contrast"), "{found}");
        let mut named = first.clone();
        let shape = named.model.shape().unwrap();
        let classes = (0..10).map(|i| format!("thing {i}")).collect();
        named.model.task = Some(Task { shape, classes });
        assert!(problem(named).contains("other classes"));
        let alone = ensemble(std::slice::from_ref(&first)).unwrap_err().to_string();
        assert_eq!(alone, "1.safetensors: it is the only member: expected two or more");
    }
}
