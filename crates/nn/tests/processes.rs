//! Processes that share no memory, joined by sockets in place of MPI: they train to the bits of
//! threads.

use std::ops::ControlFlow;
use std::sync::Arc;

use chainrule_nn::{
    Activation, Diverged, Engine, Hidden, Init, Method, Norm, Optimizer, Regularization,
    SoftmaxClassifier, TensorName,
};
use chainrule_tensor::comm::sockets::Sockets;
use chainrule_tensor::comm::{ThreadGroup, Transport};
use chainrule_tensor::{Kernel, Precision, Tensor};

/// What is trained, and how.
struct Case {
    widths: &'static [usize],
    hidden: Hidden,
    noise: Regularization,
    method: Method<f32>,
    clip_norm: Option<f64>,
    ema_decay: Option<f64>,
    detect_anomaly: bool,
}

fn cases() -> Vec<Case> {
    let momentum = Method::Momentum { momentum: 0.9, nesterov: false };
    let adam = Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let noise = Regularization { seed: 3, dropout: 0.3, mixup: 0.4, label_smoothing: 0.1 };
    let hidden = |norm, activation| Hidden { norm, activation };
    let plain = |widths| Case {
        widths,
        hidden: Hidden::default(),
        noise: Regularization::default(),
        method: momentum,
        clip_norm: None,
        ema_decay: None,
        detect_anomaly: false,
    };
    vec![
        plain(&[300, 130, 10]),
        plain(&[784, 26]),
        Case { clip_norm: Some(0.2), ..plain(&[784, 26]) },
        Case {
            hidden: hidden(Norm::Batch, Activation::Gelu),
            noise,
            method: adam,
            ema_decay: Some(0.9),
            ..plain(&[300, 130, 97, 10])
        },
        Case {
            hidden: hidden(Norm::Layer, Activation::Relu),
            noise,
            clip_norm: Some(0.2),
            detect_anomaly: true,
            ..plain(&[129, 100, 47, 10])
        },
    ]
}

/// All that an engine gives away after some steps.
#[derive(PartialEq, Debug)]
struct Trained {
    losses: Vec<f64>,
    steps: u64,
    parameters: Vec<f32>,
    velocity: Vec<f32>,
    second_moment: Option<Vec<f32>>,
    ema: Option<Vec<f32>>,
    loss: f64,
    predictions: Vec<u32>,
    scores: Vec<f32>,
}

const ROWS: usize = 21;
const BATCH: usize = 8;

/// Trains all but the last batch, and evaluates.
fn train(case: &Case, model: &SoftmaxClassifier, group: ThreadGroup, kernel: Kernel) -> Trained {
    let is_first = group.own_ranks().start == 0;
    let x = Tensor::from_fn(ROWS, case.widths[0], |i, j| (1.7 * i as f32 + 0.9 * j as f32).sin());
    let classes = case.widths[case.widths.len() - 1];
    let labels: Vec<u8> = (0..ROWS).map(|i| (7 * i % classes) as u8).collect();
    let order: Vec<u32> = (0..ROWS as u32).collect();
    let optimizer = Optimizer { learning_rate: 0.05, l2: 0.01, decay: 0.0, method: case.method };
    let mut engine = Engine::on_group(model, BATCH, group, kernel);
    engine.set_regularization(case.noise);
    engine.set_clip_norm(case.clip_norm);
    engine.set_ema_decay(case.ema_decay);
    engine.set_detect_anomaly(case.detect_anomaly);
    let mut losses = vec![];
    // Only the first process wants to stop, after the second step: all do.
    let each = |step: chainrule_nn::Step| {
        losses.push(step.loss);
        if is_first && step.number == 1 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    engine.train_each(&x, &labels, &order, BATCH, |_| optimizer, each).unwrap();
    engine.set_parameter(7, 0.25);
    let evaluation = engine.evaluate(&x, &labels, &order);
    let flat = |of: SoftmaxClassifier| of.parameters().to_vec();
    Trained {
        losses,
        steps: engine.steps(),
        parameters: flat(engine.model()),
        velocity: flat(engine.velocity()),
        second_moment: engine.second_moment().map(flat),
        ema: engine.ema().map(flat),
        loss: evaluation.loss,
        predictions: evaluation.predictions,
        scores: engine.scores(&x, &order).into_vec(),
    }
}

/// Runs `program` as each of some processes of so many threads.
fn each_process<R: Send>(
    processes: usize,
    threads: usize,
    program: impl Fn(ThreadGroup) -> R + Sync,
) -> Vec<R> {
    let program = &program;
    let process = |socket: Sockets| {
        let transport: Arc<dyn Transport> = Arc::new(socket);
        program(ThreadGroup::new(threads).unwrap().joined(transport))
    };
    std::thread::scope(|scope| {
        let sockets = Sockets::loopback(processes).unwrap();
        let all: Vec<_> = sockets.into_iter().map(|s| scope.spawn(move || process(s))).collect();
        all.into_iter().map(|process| process.join().unwrap()).collect()
    })
}

#[test]
fn processes_of_any_number_of_threads_train_to_the_bits_of_threads() {
    for case in &cases() {
        let model = SoftmaxClassifier::with_hidden(case.widths, case.hidden, Init::He, 5).unwrap();
        for kernel in Kernel::available() {
            let want = train(case, &model, ThreadGroup::new(2).unwrap(), kernel);
            assert_eq!(want.steps, 2, "it was stopped");
            for (processes, threads) in [(1, 1), (2, 1), (3, 1), (4, 1), (2, 2)] {
                let program = |group| train(case, &model, group, kernel);
                for (process, found) in each_process(processes, threads, program).iter().enumerate()
                {
                    assert!(
                        *found == want,
                        "{:?} {:?} {kernel:?}: process {process} of {processes} x {threads}",
                        case.widths,
                        case.hidden
                    );
                }
            }
        }
    }
}

#[test]
fn every_process_names_the_same_anomaly() {
    let mut model = SoftmaxClassifier::<f32>::new(&[300, 130, 10], Init::He, 5).unwrap();
    model.weight_mut(0)[300 * 130 - 1] = f32::NAN;
    let x = Tensor::from_fn(4, 300, |i, j| (i + j) as f32 * 0.01);
    let sgd = chainrule_nn::Sgd { learning_rate: 0.1, momentum: 0.0, l2: 0.0, nesterov: false };
    let found = each_process(3, 1, |group| {
        let mut engine = Engine::on_group(&model, 4, group, Kernel::best(Precision::F32));
        engine.train(&x, &[0, 1, 2, 3], &[0, 1, 2, 3], 4, sgd).unwrap_err()
    });
    for Diverged { step, loss, tensor } in found {
        assert!(step == 0 && loss.is_nan() && tensor == TensorName::Weight(1), "{tensor}");
    }
}
