//! The networks of each sweep.

use chainrule_bench::images::IMAGES;
use chainrule_bench::{Ingredients, Shape};
use chainrule_nn::{Activation, Hidden, Method, Norm, Regularization};
use clap::ValueEnum;

/// What grows from network to network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sweep {
    Threads,
    Batch,
    Width,
    Depth,
    Images,
    /// What each ingredient costs: the speed with it as a share of that without
    Ingredients,
}

/// One network to measure.
pub struct Network {
    /// Of its ingredient.
    pub name: String,
    pub ingredients: Ingredients,
    pub threads: usize,
    pub shape: Shape,
    /// Images that it trains on.
    pub images: usize,
}

impl Network {
    fn plain(threads: usize, batch: usize, hidden: &[usize], images: usize) -> Network {
        let (name, ingredients) = ("plain".to_owned(), Ingredients::default());
        Network { name, ingredients, threads, shape: Shape::new(batch, hidden), images }
    }
}

impl Sweep {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Sweep::Threads => "threads",
            Sweep::Batch => "batch",
            Sweep::Width => "width",
            Sweep::Depth => "depth",
            Sweep::Images => "images",
            Sweep::Ingredients => "ingredients",
        }
    }

    /// Its networks, in groups that take turns. All but those of [`Sweep::Threads`] use the largest
    /// number of `threads`.
    pub fn groups(self, threads: &[usize]) -> Vec<Vec<Network>> {
        let most = threads.iter().copied().max().unwrap_or(1);
        let plain = |batch, hidden: &[usize]| Network::plain(most, batch, hidden, IMAGES);
        match self {
            Sweep::Threads => {
                let at = |&n| [100, 1024].map(|hidden| Network::plain(n, 128, &[hidden], IMAGES));
                vec![threads.iter().flat_map(at).collect()]
            }
            Sweep::Batch => {
                vec![[16, 32, 64, 128, 256, 512, 1024].map(|batch| plain(batch, &[256])).into()]
            }
            Sweep::Width => {
                let widths = [16, 32, 64, 128, 256, 512, 1024, 2048];
                vec![widths.map(|hidden| plain(128, &[hidden])).into()]
            }
            Sweep::Depth => {
                vec![(1..=6).map(|depth| plain(128, &[512].repeat(depth))).collect()]
            }
            Sweep::Images => {
                let counts = [1_000, 5_000, 20_000, 50_000];
                vec![counts.map(|images| Network::plain(most, 128, &[256], images)).into()]
            }
            Sweep::Ingredients => {
                let shapes: [(usize, &[usize]); 3] =
                    [(64, &[100]), (128, &[1024]), (128, &[1024, 512])];
                let networks = |(batch, hidden)| {
                    let network = |(name, ingredients)| {
                        // Images that the caches do not hold.
                        Network { name, ingredients, ..Network::plain(most, batch, hidden, 8192) }
                    };
                    all_ingredients().into_iter().map(network).collect()
                };
                shapes.into_iter().map(networks).collect()
            }
        }
    }
}

/// None, and each by itself.
fn all_ingredients() -> Vec<(String, Ingredients)> {
    let plain = Ingredients::default();
    let regularized = |regularization| Ingredients { regularization, ..plain };
    let none = Regularization::default();
    let optimized = |method| Ingredients { method, ..plain };
    let mut all = vec![("plain".to_owned(), plain)];
    for activation in &Activation::ALL[1..] {
        let hidden = Hidden { activation: *activation, ..Hidden::default() };
        all.push((activation.to_string(), Ingredients { hidden, ..plain }));
    }
    for norm in &Norm::ALL[1..] {
        let hidden = Hidden { norm: *norm, ..Hidden::default() };
        all.push((format!("{norm} normalization"), Ingredients { hidden, ..plain }));
    }
    let nesterov = Method::Momentum { momentum: 0.9, nesterov: true };
    let rmsprop = Method::RmsProp { momentum: 0.0, smoothing: 0.99, epsilon: 1e-8 };
    let adam = Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let others = [
        ("dropout", regularized(Regularization { dropout: 0.2, ..none })),
        ("mixup", regularized(Regularization { mixup: 0.2, ..none })),
        ("label smoothing", regularized(Regularization { label_smoothing: 0.1, ..none })),
        ("Nesterov", optimized(nesterov)),
        ("RMSProp", optimized(rmsprop)),
        ("Adam", optimized(adam)),
        ("EMA of the weights", Ingredients { ema_decay: Some(0.999), ..plain }),
        ("clipped norm", Ingredients { clip_norm: Some(1e3), ..plain }),
    ];
    all.extend(others.map(|(name, with)| (name.to_owned(), with)));
    all
}
