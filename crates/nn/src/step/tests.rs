//! The step over ranks that share no memory, as those of several processes do: each has slots of its
//! own, and a collective call copies, as bytes, only what its messages say.

use std::collections::HashMap;
use std::sync::{Barrier, Mutex};

use chainrule_tensor::exchange::Message;
use chainrule_tensor::{Kernel, Precision, Tensor};

use super::*;
use crate::architecture::Architecture;
use crate::layers::hidden::Hidden;
use crate::optimizer::Method;
use crate::{Activation, Engine, Init, Norm, SoftmaxClassifier, clip, state};

/// The letters under way, by sender and receiver.
struct Mail {
    ranks: usize,
    barrier: Barrier,
    letters: Mutex<HashMap<(usize, usize), Vec<u8>>>,
}

#[derive(Clone, Copy)]
struct ByteComm<'a> {
    rank: usize,
    mail: &'a Mail,
}

impl ByteComm<'_> {
    /// Sends each rank the values of every own slot that `range` gives, and receives as many.
    fn exchange(&self, messages: &[(Message, Option<&[Range<usize>]>)]) {
        let slots = |owner: usize, reader: usize| {
            messages.iter().flat_map(move |&(Message { buffers, rows }, readers)| {
                let own = (0..buffers.slots()).filter(move |&slot| buffers.owner(slot) == owner);
                own.map(move |slot| {
                    let all = 0..buffers.columns(slot);
                    let columns = readers.map_or(all.clone(), |readers| readers[reader].clone());
                    let columns = if all.is_empty() { all } else { columns };
                    (buffers, slot, columns.start * rows..columns.end * rows)
                })
            })
        };
        let others = || (0..self.mail.ranks).filter(|&rank| rank != self.rank);
        for reader in others() {
            let mut letter = vec![];
            for (buffers, slot, range) in slots(self.rank, reader) {
                buffers.pack(slot, range, &mut letter);
            }
            self.mail.letters.lock().unwrap().insert((self.rank, reader), letter);
        }
        self.mail.barrier.wait();
        for owner in others() {
            let letter = self.mail.letters.lock().unwrap().remove(&(owner, self.rank)).unwrap();
            let mut letter = &letter[..];
            for (buffers, slot, range) in slots(owner, self.rank) {
                buffers.unpack(slot, range, &mut letter);
            }
            assert!(letter.is_empty(), "sender and receiver count the same values");
        }
        self.mail.barrier.wait();
    }
}

impl Communicator for ByteComm<'_> {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.mail.ranks
    }

    fn barrier(&self) {
        self.mail.barrier.wait();
    }

    fn all_gather(&self, messages: &[Message]) {
        self.exchange(&messages.iter().map(|&message| (message, None)).collect::<Vec<_>>());
    }

    fn exchange_columns(&self, message: Message, readers: &[Range<usize>], along: &[Message]) {
        let along = along.iter().map(|&message| (message, None));
        self.exchange(&[(message, Some(readers))].into_iter().chain(along).collect::<Vec<_>>());
    }
}

/// What is trained, and how.
struct Case {
    widths: &'static [usize],
    hidden: Hidden,
    options: TrainOptions<f32>,
}

fn cases() -> Vec<Case> {
    let hidden = |norm, activation| Hidden { norm, activation };
    let noise = Regularization { seed: 3, dropout: 0.3, mixup: 0.4, label_smoothing: 0.1 };
    let plain = TrainOptions::default;
    vec![
        Case { widths: &[300, 130, 10], hidden: Hidden::default(), options: plain() },
        Case {
            widths: &[784, 26],
            hidden: Hidden::default(),
            options: TrainOptions { clip_norm: Some(0.2), ..plain() },
        },
        Case { widths: &[784, 26], hidden: Hidden::default(), options: plain() },
        Case {
            widths: &[300, 130, 97, 10],
            hidden: hidden(Norm::Batch, Activation::Gelu),
            options: TrainOptions { regularization: noise, ema_decay: Some(0.9), ..plain() },
        },
        Case {
            widths: &[129, 100, 47, 10],
            hidden: hidden(Norm::Layer, Activation::Relu),
            options: TrainOptions {
                regularization: noise,
                clip_norm: Some(0.2),
                detect_anomaly: true,
                ..plain()
            },
        },
    ]
}

#[test]
fn ranks_that_share_no_memory_train_to_the_bits_of_threads() {
    let optimizer = Optimizer {
        learning_rate: 0.05,
        l2: 0.01,
        decay: 0.0,
        method: Method::Momentum { momentum: 0.9, nesterov: false },
    };
    for Case { widths, hidden, options } in cases() {
        let x = Tensor::from_fn(21, widths[0], |i, j| (1.7 * i as f32 + 0.9 * j as f32).sin());
        let classes = widths[widths.len() - 1];
        let labels: Vec<u8> = (0..21).map(|i| (7 * i % classes) as u8).collect();
        let order: Vec<u32> = (0..21).collect();
        let model = SoftmaxClassifier::<f32>::with_hidden(widths, hidden, Init::He, 5).unwrap();
        for kernel in Kernel::available() {
            let mut engine = Engine::with_kernel(&model, 8, 2, kernel).unwrap();
            engine.set_regularization(options.regularization);
            engine.set_clip_norm(options.clip_norm);
            engine.set_ema_decay(options.ema_decay);
            let mut losses = vec![];
            let each = |step: crate::Step| {
                losses.push(step.loss);
                std::ops::ControlFlow::Continue(())
            };
            engine.train_each(&x, &labels, &order, 8, |_| optimizer, each).unwrap();
            for ranks in [1, 2, 3] {
                let mail = Mail { ranks, barrier: Barrier::new(ranks), letters: Mutex::default() };
                let rank = &|rank: usize| {
                    let comm = ByteComm { rank, mail: &mail };
                    let architecture = model.architecture();
                    let shared = Shared::new(architecture, kernel, ranks, 8);
                    let mut net = Net::new(architecture, &shared, kernel, rank, (8, 8));
                    let flat = model.parameters();
                    state::scatter(architecture, &shared, flat, &mut net, |p| &mut p.value);
                    clip::keep_gradients(&mut net, options.clip_norm.is_some());
                    net.pack_weights(&shared);
                    net.square_weights(&shared);
                    let mut losses = vec![];
                    for (t, rows) in order.chunks(8).enumerate() {
                        let batch = Batch { data: &x, labels: &labels, rows };
                        let options = options.at(t as u64 + 1, kernel.isa(), optimizer);
                        let report = |_, _| {
                            if rank == 0 {
                                shared.stop.write(0)[0] = t as u64;
                            }
                        };
                        let outcome = step(&mut net, &shared, &comm, batch, &options, report);
                        assert!(outcome.loss.is_finite() && outcome.anomaly.is_none());
                        losses.push(outcome.loss);
                        assert_eq!(shared.stop.read(0)[0], t as u64, "rank 0's word arrives");
                    }
                    (net, shared, losses)
                };
                let nets = std::thread::scope(|scope| {
                    let ranks: Vec<_> = (0..ranks).map(|r| scope.spawn(move || rank(r))).collect();
                    ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Vec<_>>()
                });
                let mut flat = vec![f32::NAN; model.parameters().len()];
                for (net, shared, of_rank) in &nets {
                    assert_eq!(*of_rank, losses, "{widths:?} {kernel:?}, {ranks} ranks");
                    state::gather(model.architecture(), shared, net, &mut flat, |p| &p.value);
                }
                assert!(
                    flat == engine.model().parameters(),
                    "{widths:?} {hidden:?} {kernel:?}, {ranks} ranks"
                );
            }
        }
    }
}

#[test]
fn every_rank_names_the_same_anomaly() {
    let model = SoftmaxClassifier::<f32>::new(&[300, 130, 10], Init::He, 5).unwrap();
    let architecture: &Architecture = model.architecture();
    let mut parameters = model.parameters().to_vec();
    parameters[300 * 130 - 1] = f32::NAN;
    let x = Tensor::from_fn(4, 300, |i, j| (i + j) as f32 * 0.01);
    let mail = Mail { ranks: 3, barrier: Barrier::new(3), letters: Mutex::default() };
    let kernel = Kernel::best(Precision::F32);
    let found = |rank: usize| {
        let comm = ByteComm { rank, mail: &mail };
        let shared = Shared::new(architecture, kernel, 3, 4);
        let mut net = Net::new(architecture, &shared, kernel, rank, (4, 4));
        state::scatter(architecture, &shared, &parameters, &mut net, |p| &mut p.value);
        let batch = Batch { data: &x, labels: &[0, 1, 2, 3], rows: &[0, 1, 2, 3] };
        let sgd = crate::Sgd { learning_rate: 0.1, momentum: 0.0, l2: 0.0, nesterov: false };
        let options = TrainOptions::default();
        let options = options.at(1, kernel.isa(), sgd.into());
        assert!(step(&mut net, &shared, &comm, batch, &options, |_, _| ()).loss.is_nan());
        find_anomaly(&mut net, &shared, &comm, batch, &options)
    };
    let found = &found;
    let all = std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..3).map(|rank| scope.spawn(move || found(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(all, [TensorName::Weight(1); 3]);
}
