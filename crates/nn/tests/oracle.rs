//! The layers against two independent ways to the same derivatives: the scalar graph of
//! chainrule-graph, gate by gate, and plain loops over the definition.

use std::ops::ControlFlow;

use chainrule_graph::{Graph, NodeId};
use chainrule_nn::{Engine, Sgd, SoftmaxClassifier, Step};
use chainrule_tensor::{Isa, Kernel, Tensor};
use common::{SHAPES, problem, problem_in_f32};

mod common;

#[test]
fn a_classifier_built_gate_by_gate_has_the_same_loss_and_gradients() {
    for widths in [&[4, 3][..], &[4, 5, 3], &[3, 4, 5, 3]] {
        for l2 in [0.0, 0.7] {
            let (model, x, labels) = problem(widths, 3);
            let mut g = Graph::new();
            let parameters: Vec<NodeId> = (model.parameters().iter().enumerate())
                .map(|(i, &value)| g.variable(format!("p{i}"), value))
                .collect();
            let part = |name: &str| {
                let layout = model.layout();
                let found = layout.iter().find(|parameter| parameter.name == name).unwrap();
                parameters[found.range.clone()].to_vec()
            };

            let mut total = g.constant(0.0);
            for (i, &label) in labels.iter().enumerate() {
                let mut a: Vec<NodeId> = x.row(i).iter().map(|&v| g.constant(v)).collect();
                for l in 1..widths.len() {
                    let (w, b) = (part(&format!("fc{l}.weight")), part(&format!("fc{l}.bias")));
                    let mut z = vec![];
                    for (o, &bias) in b.iter().enumerate() {
                        let mut sum = bias;
                        for (k, &input) in a.iter().enumerate() {
                            let product = g.mul(w[o * a.len() + k], input);
                            sum = g.add(sum, product);
                        }
                        z.push(if l + 1 < widths.len() { g.relu(sum) } else { sum });
                    }
                    a = z;
                }
                // -ln(e^s_y / Σ e^s), with no maximum taken out: the scores are small here.
                let exps: Vec<NodeId> = a.iter().map(|&s| g.exp(s)).collect();
                let sum = exps[1..].iter().fold(exps[0], |sum, &e| g.add(sum, e));
                let p = g.div(exps[usize::from(label)], sum);
                let log = g.log(p);
                total = g.sub(total, log);
            }
            let rows = g.constant(labels.len() as f64);
            let mut loss = g.div(total, rows);
            for l in 1..widths.len() {
                for w in part(&format!("fc{l}.weight")) {
                    let square = g.mul(w, w);
                    let half = g.constant(0.5 * l2);
                    let term = g.mul(half, square);
                    loss = g.add(loss, term);
                }
            }
            g.backward(loss);

            let mut engine = Engine::new(&model, 3, 1).unwrap();
            let mut got = f64::NAN;
            let rule = Sgd { learning_rate: 0.0, momentum: 0.0, l2, nesterov: false };
            let each = |step: Step| {
                got = step.loss;
                ControlFlow::Continue(())
            };
            engine.train_each(&x, &labels, &[0, 1, 2], 3, |_| rule, each).unwrap();
            let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
            assert!(close(got, g.value(loss)), "{widths:?}: {got}, gates {}", g.value(loss));
            for (i, &gradient) in engine.velocity().parameters().iter().enumerate() {
                let gates = g.gradient(parameters[i]);
                assert!(close(gradient, gates), "{widths:?}, {i}: {gradient}, gates {gates}");
            }
        }
    }
}

/// Training as the textbook has it: plain loops in f64, one example at a time. Returns the loss
/// of each step and the norm of its gradient before that was clipped to `max_norm`.
fn train_plainly(
    model: &mut SoftmaxClassifier<f64>,
    x: &Tensor<f64>,
    labels: &[u8],
    batches: &[&[u32]],
    rule: Sgd<f64>,
    max_norm: f64,
) -> Vec<(f64, f64)> {
    let mut velocity = vec![0.0; model.parameters().len()];
    let depth = model.depth();
    let mut steps = vec![];
    for &batch in batches {
        let mut gradient = SoftmaxClassifier::<f64>::zeros(model.widths()).unwrap();
        let mut loss = 0.0;
        for l in 0..depth {
            loss += 0.5 * rule.l2 * model.weight(l).iter().map(|w| w * w).sum::<f64>();
        }
        for &row in batch {
            let mut a = vec![x.row(row as usize).to_vec()];
            for l in 0..depth {
                let inputs = a[l].len();
                let z = |o: usize| {
                    let w = &model.weight(l)[o * inputs..(o + 1) * inputs];
                    model.bias(l)[o] + w.iter().zip(&a[l]).map(|(w, a)| w * a).sum::<f64>()
                };
                let z: Vec<f64> = (0..model.bias(l).len()).map(z).collect();
                let relu = |z: &f64| if l + 1 < depth { z.max(0.0) } else { *z };
                a.push(z.iter().map(relu).collect());
            }
            let sum: f64 = a[depth].iter().map(|s| s.exp()).sum();
            let label = usize::from(labels[row as usize]);
            let n = batch.len() as f64;
            loss -= (a[depth][label].exp() / sum).ln() / n;
            let onehot = |j: usize| f64::from(u8::from(j == label));
            let mut dz: Vec<f64> =
                a[depth].iter().enumerate().map(|(j, s)| (s.exp() / sum - onehot(j)) / n).collect();
            for l in (0..depth).rev() {
                let inputs = a[l].len();
                for (o, &d) in dz.iter().enumerate() {
                    let dw = &mut gradient.weight_mut(l)[o * inputs..(o + 1) * inputs];
                    dw.iter_mut().zip(&a[l]).for_each(|(dw, a)| *dw += d * a);
                    gradient.bias_mut(l)[o] += d;
                }
                let w = model.weight(l);
                let da = |i: usize| -> f64 {
                    dz.iter().enumerate().map(|(o, d)| d * w[o * inputs + i]).sum()
                };
                dz = (0..inputs).map(|i| if a[l][i] > 0.0 { da(i) } else { 0.0 }).collect();
            }
        }
        let norm = gradient.parameters().iter().map(|g| g * g).sum::<f64>().sqrt();
        let factor = (max_norm / (norm + 1e-6)).min(1.0);
        for parameter in model.layout() {
            let l2 = if parameter.name.ends_with("weight") { rule.l2 } else { 0.0 };
            for i in parameter.range {
                let w = &mut model.parameters_mut()[i];
                let g = factor * gradient.parameters()[i] + l2 * *w;
                velocity[i] = rule.momentum * velocity[i] + g;
                *w -= rule.learning_rate * velocity[i];
            }
        }
        steps.push((loss, norm));
    }
    steps
}

#[test]
fn training_in_f32_follows_the_plain_reference_on_every_path() {
    for max_norm in [None, Some(0.2)] {
        let mut clipped = 0;
        for (widths, rows, batch) in SHAPES {
            let (start, x32, _) = problem_in_f32(widths, rows);
            let (mut plain, x, labels) = problem(widths, rows);
            let order: Vec<u32> = (0..rows as u32).rev().collect();
            let (lr, mu, l2) = (0.05, 0.9, 0.01);
            let batches: Vec<&[u32]> = order.chunks(batch).collect();
            let rule = Sgd { learning_rate: lr, momentum: mu, l2, nesterov: false };
            let most = max_norm.unwrap_or(f64::INFINITY);
            let wanted = train_plainly(&mut plain, &x, &labels, &batches, rule, most);
            clipped += wanted.iter().filter(|(_, norm)| *norm > most).count();
            for isa in Isa::available() {
                let mut engine = Engine::with_kernel(&start, batch, 2, isa).unwrap();
                engine.set_clip_norm(max_norm);
                let rule = Sgd {
                    learning_rate: lr as f32,
                    momentum: mu as f32,
                    l2: l2 as f32,
                    nesterov: false,
                };
                let mut steps = vec![];
                let each = |step: Step| {
                    steps.push(step);
                    ControlFlow::Continue(())
                };
                engine.train_each(&x32, &labels, &order, batch, |_| rule, each).unwrap();
                let close = |got: f64, want: f64| (got - want).abs() <= 1e-5 * want;
                for (step, &(loss, norm)) in steps.iter().zip(&wanted) {
                    assert!(close(step.loss, loss), "{isa} {widths:?}: {step:?}, loss {loss}");
                    let same_norm = step.gradient_norm.is_none_or(|got| close(got, norm));
                    assert!(same_norm, "{isa} {widths:?}: {step:?}, norm {norm}");
                    assert_eq!(step.gradient_norm.is_some(), max_norm.is_some());
                }
                assert_eq!(steps.len(), wanted.len());
                let scale = plain.parameters().iter().fold(0.0f64, |m, w| m.max(w.abs()));
                for (got, want) in engine.model().parameters().iter().zip(plain.parameters()) {
                    let off = (f64::from(*got) - want).abs();
                    assert!(off < 1e-5 * scale, "{isa} {widths:?}: {got}, {want}");
                }
            }
        }
        assert_eq!(clipped > 0, max_norm.is_some(), "{clipped} steps were clipped");
    }
}

#[test]
fn the_bits_of_a_training_run_do_not_depend_on_the_number_of_threads() {
    for ((widths, rows, batch), max_norm) in
        SHAPES.iter().flat_map(|&shape| [(shape, None), (shape, Some(0.2))])
    {
        let (model, x, labels) = problem_in_f32(widths, rows);
        let order: Vec<u32> = (0..rows as u32).collect();
        for kernel in Kernel::available() {
            let run = |threads| {
                let mut engine = Engine::with_kernel(&model, batch, threads, kernel).unwrap();
                engine.set_clip_norm(max_norm);
                let rule = Sgd { learning_rate: 0.05, momentum: 0.9, l2: 0.01, nesterov: false };
                let mut bits = vec![];
                let each = |step: Step| {
                    bits.push((step.loss.to_bits(), step.gradient_norm.map(f64::to_bits)));
                    ControlFlow::Continue(())
                };
                engine.train_each(&x, &labels, &order, batch, |_| rule, each).unwrap();
                let evaluation = engine.evaluate(&x, &labels, &order);
                bits.push((evaluation.loss.to_bits(), None));
                (bits, evaluation.predictions, engine.model(), engine.velocity())
            };
            let one = run(1);
            for threads in [2, 3, 4, 7, 32] {
                let many = run(threads);
                assert_eq!(one.0, many.0, "{kernel:?} {widths:?}: losses with {threads} threads");
                assert!(one == many, "{kernel:?} {widths:?}: weights with {threads} threads");
            }
        }
    }
}

#[test]
fn a_limit_above_every_norm_changes_no_bit_and_reports_the_norm() {
    for (widths, rows, batch) in SHAPES {
        let (model, x, labels) = problem_in_f32(widths, rows);
        let order: Vec<u32> = (0..rows as u32).collect();
        for kernel in Kernel::available() {
            let run = |max_norm| {
                let mut engine = Engine::with_kernel(&model, batch, 2, kernel).unwrap();
                engine.set_clip_norm(max_norm);
                let rule = Sgd { learning_rate: 0.05, momentum: 0.9, l2: 0.01, nesterov: false };
                let (mut losses, mut norms) = (vec![], vec![]);
                let each = |step: Step| {
                    losses.push(step.loss.to_bits());
                    norms.extend(step.gradient_norm);
                    ControlFlow::Continue(())
                };
                engine.train_each(&x, &labels, &order, batch, |_| rule, each).unwrap();
                // And without a limit again, it goes on as if there had never been one.
                engine.set_clip_norm(None);
                engine.train(&x, &labels, &order, batch, rule).unwrap();
                ((losses, engine.model(), engine.velocity()), norms)
            };
            let (without, none) = run(None);
            assert!(none.is_empty(), "no limit, no norm");
            for limit in [1e3, f64::INFINITY] {
                let (with, norms) = run(Some(limit));
                assert!(without == with, "{kernel:?} {widths:?}, limit {limit}");
                assert_eq!(norms.len(), with.0.len());
                assert!(norms.iter().all(|norm| (0.0..1e3).contains(norm)), "{norms:?}");
            }
        }
    }
}

#[test]
fn many_rows_are_evaluated_as_each_is_alone_by_any_number_of_threads() {
    for widths in [&[20, 3][..], &[20, 33, 3]] {
        let (model, x, labels) = problem_in_f32(widths, 600);
        // Not in the order of the data, so that a mix-up of chunks or threads shows.
        let rows: Vec<u32> = (0..600).map(|i| i * 7 % 600).collect();
        let mut one = Engine::new(&model, 1, 1).unwrap();
        let alone: Vec<_> = rows.iter().map(|&row| one.evaluate(&x, &labels, &[row])).collect();
        let loss = alone.iter().map(|evaluation| evaluation.loss).sum::<f64>() / 600.0;
        for threads in [1, 2, 7] {
            let mut engine = Engine::new(&model, 1, threads).unwrap();
            let all = engine.evaluate(&x, &labels, &rows);
            let predictions = alone.iter().map(|evaluation| evaluation.predictions[0]);
            assert!(all.predictions.iter().copied().eq(predictions), "{widths:?}, {threads}");
            assert_eq!(all.loss, loss, "{widths:?}, {threads} threads");
            let scores = engine.scores(&x, &rows);
            for (i, &row) in rows.iter().enumerate() {
                assert_eq!(scores.row(i), one.scores(&x, &[row]).row(0), "row {row}");
            }
        }
    }
}
