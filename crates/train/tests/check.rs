//! The sanity checks before a long run, on networks that are fit for one and on some that are not.

use std::ops::ControlFlow;

use chainrule_data::{Dataset, Images, Shape};
use chainrule_nn::{Activation, Engine, Norm};
use chainrule_train::check::Findings;
use chainrule_train::config::OptimizerName;
use chainrule_train::lr_finder::STEPS;
use chainrule_train::update_ratio::update_ratios;
use chainrule_train::{Config, Data, Prepared, check, find_lr};

/// Noise of 90 pixels in ten classes: what is learned of it is learned by heart.
fn data() -> Data {
    let shape = Shape { channels: 3, height: 5, width: 6 };
    let mut state = 1u32;
    let mut images = |n: usize| {
        let pixel = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let pixels = (0..n * shape.dim()).map(pixel).collect();
        Images::new(pixels, (0..n).map(|i| (i % 10) as u8).collect(), shape, 10).unwrap()
    };
    let classes = ('a'..='j').map(String::from).collect();
    let dataset = Dataset { name: "noise".into(), classes, train: images(600), test: images(20) };
    Data::new(dataset, "noise")
}

fn config() -> Config {
    Config {
        hidden_dim: vec![40, 30],
        batch_size: 32,
        validation: 50,
        threads: 1,
        ..Config::default()
    }
}

fn findings(config: &Config) -> Findings {
    check(config, &data(), |_| ()).unwrap()
}

#[test]
fn a_network_with_every_ingredient_passes_whatever_its_optimizer() {
    let all = Config {
        zca: Some(0.1),
        norm: Norm::Batch,
        activation: Activation::Gelu,
        dropout: 0.3,
        mixup: 0.2,
        label_smoothing: 0.1,
        flip: true,
        shift: 1,
        cutout: 2,
        clip_norm: Some(1.0),
        ema_decay: Some(0.99),
        warmup_epochs: 1.0,
        ..config()
    };
    for (optimizer, learning_rate) in
        [(OptimizerName::Sgd, 0.02), (OptimizerName::Rmsprop, 1e-3), (OptimizerName::Adam, 5e-3)]
    {
        let found = findings(&Config { optimizer, learning_rate, ..all.clone() });
        assert!(found.passed(), "{found:#?}");
        assert_eq!((found.by_heart.images, found.by_heart.accuracy), (50, 1.0));
        assert_eq!(found.gradient.len(), 8);
        assert!(found.gradient.iter().all(|row| row.checked == 5));
        // 550 images train: 18 steps of 32 are an epoch, and as many a warm-up.
        assert_eq!(found.updates.steps, 18);
        assert!((found.updates.learning_rate / learning_rate - 1.0).abs() < 1e-9);
        assert_eq!(found.updates.ratios.len(), 3);
    }
}

#[test]
fn the_initial_loss_is_that_of_ten_equal_probabilities_once_the_last_layer_is_tiny() {
    let loss = findings(&config()).initial_loss;
    assert!((loss.expected - 10.0f64.ln()).abs() < 1e-12);
    assert!((loss.tiny - loss.expected).abs() < 1e-3, "{loss:?}");
    assert!(loss.actual > 1.05 * loss.expected, "He's weights start higher: {loss:?}");
    let huge = findings(&Config { weight_scale: Some(20.0), ..config() });
    assert!(!huge.initial_loss.passed() && !huge.passed(), "{:?}", huge.initial_loss);
}

#[test]
fn a_learning_rate_that_learns_nothing_fails_and_the_advice_points_the_right_way() {
    let small = findings(&Config { learning_rate: 1e-7, ..config() });
    assert!(!small.by_heart.passed() && !small.passed());
    let slow = findings(&Config { learning_rate: 1e-4, momentum: 0.0, ..config() }).by_heart;
    assert!(!slow.passed() && slow.advice().contains("ten times the learning rate"), "{slow:?}");
    let large = findings(&Config { learning_rate: 1e4, ..config() });
    assert!(!large.by_heart.passed() && !large.passed());
    assert!(large.by_heart.advice().contains("a tenth of the learning rate"));
    // The gradient does not depend on it.
    assert!([small, large].iter().all(|found| found.gradient.iter().all(|row| row.passed)));
}

#[test]
fn the_update_ratio_is_how_far_the_last_step_went_with_every_optimizer() {
    let data = data();
    for optimizer in [OptimizerName::Sgd, OptimizerName::Rmsprop, OptimizerName::Adam] {
        let config = Config { optimizer, learning_rate: 1e-3, ..config() };
        let prepared = Prepared::new(&config, &data.dataset, None).unwrap();
        let model = config.classifier(90, 10).unwrap();
        let mut engine = Engine::new(&model, config.batch_size, 1).unwrap();
        let rule = config.step(config.learning_rate);
        let mut take = |steps: std::ops::Range<usize>| {
            let order = &prepared.split.train[steps.start * 32..steps.end * 32];
            let labels = data.dataset.train.labels();
            let each = |_| ControlFlow::Continue(());
            engine.train_each(&prepared.pixels(), labels, order, 32, |_| rule, each).unwrap();
            engine.model()
        };
        let (before, after) = (take(0..4), take(4..5));
        let found = update_ratios(&engine, &after, &rule);
        assert_eq!(found.len(), 3);
        for (layer, found) in found.into_iter().enumerate() {
            let norm = |values: Vec<f64>| values.iter().map(|x| x * x).sum::<f64>().sqrt();
            let pairs = before.weight(layer).iter().zip(after.weight(layer));
            let step = norm(pairs.map(|(&a, &b)| f64::from(b) - f64::from(a)).collect());
            let size = norm(after.weight(layer).iter().map(|&w| w.into()).collect());
            let want = step / size;
            assert!((found / want - 1.0).abs() < 1e-3, "{optimizer:?}: {found} for {want}");
        }
    }
}

#[test]
fn a_search_grows_the_rate_until_the_loss_grows_and_depends_on_no_thread() {
    // The images are gone through more than once.
    let config = config();
    let search = find_lr(&config, &data(), |_| ()).unwrap();
    let points = &search.points;
    assert!(search.ended.is_some() && points.len() < STEPS, "{:?}", search.ended);
    assert!((points[0].learning_rate - 1e-5).abs() < 1e-12);
    assert!(points.windows(2).all(|pair| pair[1].learning_rate > pair[0].learning_rate));
    let mut least = f64::INFINITY;
    for (i, point) in points.iter().enumerate() {
        least = least.min(point.smoothed_loss);
        assert_eq!(point.smoothed_loss > 4.0 * least, i + 1 == points.len(), "{point:?}");
    }
    let more = find_lr(&Config { threads: 3, ..config }, &data(), |_| ()).unwrap();
    assert_eq!(search, more);
}

/// The same pictures in both classes, of which it was said that any
/// network can learn them.
#[test]
fn images_that_stand_in_two_classes_are_named_as_what_cannot_be_learned() {
    let Data { dataset: Dataset { train, test, classes, .. }, source, .. } = data();
    let pixels: Vec<u8> = (0..600).flat_map(|i| train.image(i / 20).to_vec()).collect();
    let train = Images::new(pixels, train.labels().to_vec(), train.shape(), 10).unwrap();
    let data = Data::new(Dataset { name: "twice".into(), classes, train, test }, source);
    let by_heart = check(&config(), &data, |_| ()).unwrap().by_heart;
    assert!(!by_heart.passed() && by_heart.contradictory > 10, "{by_heart:?}");
    assert!(by_heart.advice().contains("twice with different labels"), "{}", by_heart.advice());
    assert_eq!(findings(&config()).by_heart.contradictory, 0);
}
