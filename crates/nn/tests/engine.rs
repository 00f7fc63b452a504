//! What the engine promises besides its numbers: it stops when it should, and allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use chainrule_nn::{Engine, Init, Sgd, SoftmaxClassifier, Step};
use chainrule_tensor::Tensor;
use chainrule_tensor::ops::bytes::ByteRows;

/// Counts allocations of the whole process.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn blobs(rows: usize) -> (Tensor<f32>, Vec<u8>, Vec<u32>) {
    let label = |i: usize| (i % 3) as u8;
    let x = Tensor::from_fn(rows, 20, |i, j| {
        let noise = ((i * 7919 + j * 104_729) % 1000) as f32 / 500.0 - 1.0;
        noise + if j % 3 == usize::from(label(i)) { 1.5 } else { 0.0 }
    });
    (x, (0..rows).map(label).collect(), (0..rows as u32).collect())
}

// One test holds them all: the allocations of tests that run beside it would be counted too.
#[test]
fn the_engine_stops_at_a_break_and_allocates_nothing_after_its_first_step() {
    let (x, labels, order) = blobs(96);
    let model = SoftmaxClassifier::<f32>::new(&[20, 33, 3], Init::He, 1).unwrap();
    let rule = Sgd { learning_rate: 0.05, momentum: 0.9, l2: 0.001, nesterov: false };
    let mut engine = Engine::new(&model, 8, 2).unwrap();

    // After a Break all threads stop, after the same step.
    let mut steps = vec![];
    let stop_at_4 = |step: Step| {
        steps.push(step.number);
        if step.number == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    engine.train_each(&x, &labels, &order, 8, |_| rule, stop_at_4).unwrap();
    assert_eq!(steps, [0, 1, 2, 3, 4]);
    let mut other = Engine::new(&model, 8, 1).unwrap();
    other.train(&x, &labels, &order[..40], 8, rule).unwrap();
    assert_eq!(engine.model(), other.model(), "five steps, no more and no less");

    // It learns to separate three blobs.
    let rows = order.clone();
    for _ in 0..20 {
        engine.train(&x, &labels, &order, 8, rule).unwrap();
    }
    assert_eq!(engine.evaluate(&x, &labels, &rows).accuracy(&labels), 1.0);

    // A loss that overflows ends the run and says where.
    let wild = Sgd { learning_rate: 1e30, ..rule };
    let error = other.train(&x, &labels, &order, 8, wild).unwrap_err();
    assert!((1..12).contains(&error.step) && !error.loss.is_finite(), "{error}");

    // Bytes or numbers, it is the same training.
    let bytes: Vec<u8> = (0..96 * 20).map(|i| (i * 37 % 251) as u8).collect();
    let (scale, shift) = (vec![0.01; 20], vec![-1.25; 20]);
    let as_bytes = ByteRows::new(&bytes, &scale, &shift);
    let as_numbers = Tensor::from_fn(96, 20, |i, j| f32::from(bytes[i * 20 + j]) * 0.01 - 1.25);
    let (mut a, mut b) = (Engine::new(&model, 8, 2).unwrap(), Engine::new(&model, 8, 2).unwrap());
    a.train(&as_bytes, &labels, &order, 8, rule).unwrap();
    b.train(&as_numbers, &labels, &order, 8, rule).unwrap();
    assert_eq!(a.model(), b.model());

    // Allocations: those of entering the pool, the same for 1 step as for 12.
    let mut count = |order: &[u32]| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        a.train(&as_bytes, &labels, order, 8, rule).unwrap();
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    count(&order);
    let (short, long) = (count(&order[..8]), count(&order));
    // The pool's own bookkeeping may take a block more or less.
    assert!(long <= short + 2, "1 step allocates {short} times, 12 steps {long} times");
}
