//! burn on the CPU: its layers, its autodiff and its SGD, on its backends flex and ndarray.

use anyhow::Result;
use burn::module::{Module, Param, ParamGroup};
use burn::nn::Linear;
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use peer::{Classify, Framework, INPUTS, MEAN, SCALE, Sgd, Train, Work};

fn main() -> Result<()> {
    peer::run(&Framework {
        name: "burn",
        package: "burn",
        training: &[
            ("flex, f32 in memory", |work| train(work, Device::flex(), Images::f32)),
            ("flex, bytes in memory", |work| train(work, Device::flex(), Images::bytes)),
            ("ndarray, f32 in memory", |work| train(work, ndarray(), Images::f32)),
            ("ndarray, bytes in memory", |work| train(work, ndarray(), Images::bytes)),
        ],
        evaluation: &[
            ("flex, 200 rows at once", |work| classify(work, Device::flex(), 200)),
            ("flex, 1000 rows at once", |work| classify(work, Device::flex(), 1000)),
            ("flex, 10000 rows at once", |work| classify(work, Device::flex(), 10_000)),
            ("ndarray, 200 rows at once", |work| classify(work, ndarray(), 200)),
            ("ndarray, 1000 rows at once", |work| classify(work, ndarray(), 1000)),
        ],
    })
}

/// The older backend, which burn means to give up.
#[expect(deprecated)]
fn ndarray() -> Device {
    Device::ndarray()
}

/// Linear and ReLU in turns.
#[derive(Module, Debug)]
struct Network {
    layers: Vec<Linear>,
}

impl Network {
    fn new(work: &Work, device: &Device) -> Network {
        let linear = |layer: &peer::Layer| {
            let shape = [layer.inputs, layer.outputs];
            let weights = TensorData::new(layer.weights.clone(), shape);
            Linear {
                weight: Param::from_data(weights, device),
                bias: Some(Param::from_tensor(Tensor::zeros([layer.outputs], device))),
            }
        };
        Network { layers: work.layers.iter().map(linear).collect() }
    }

    /// The scores (rows, classes) of images (rows, INPUTS).
    fn scores(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = relu(x);
            }
            x = layer.forward(x);
        }
        x
    }
}

/// SGD with L2 on the weights alone.
fn optimizer(work: &Work) -> ModuleOptimizer {
    let Sgd { momentum, l2, .. } = work.sgd;
    let momentum = MomentumConfig::new().with_momentum(momentum.into()).with_dampening(0.0);
    let for_biases = SgdConfig::new().with_momentum(Some(momentum));
    let for_weights = for_biases.clone().with_weight_decay(Some(WeightDecayConfig::new(l2)));
    let weights = (0..work.layers.len()).map(|i| format!("layers.{i}.weight")).collect();
    for_biases.init().with_group(ParamGroup::from_paths(weights), for_weights.build(), None)
}

/// All images (images, INPUTS).
enum Images {
    /// Normalized.
    F32(Tensor<2>),
    Bytes(Tensor<2, Int>),
}

impl Images {
    fn f32(work: &Work, device: &Device) -> Images {
        let data = TensorData::new(work.normalized(), [work.images(), INPUTS]);
        Images::F32(Tensor::from_data(data, device))
    }

    fn bytes(work: &Work, device: &Device) -> Images {
        let data = TensorData::new(work.pixels.clone(), [work.images(), INPUTS]);
        Images::Bytes(Tensor::from_data(data, (device, DType::U8)))
    }

    /// Those of these rows, normalized.
    fn gather(&self, rows: Tensor<1, Int>) -> Tensor<2> {
        match self {
            Images::F32(images) => images.clone().select(0, rows),
            Images::Bytes(images) => {
                let pixels = images.clone().select(0, rows).float();
                pixels.sub_scalar(MEAN).mul_scalar(SCALE)
            }
        }
    }
}

struct Training {
    images: Images,
    labels: Tensor<1, Int>,
    /// Moved into each step of the optimizer and back.
    network: Option<Network>,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    learning_rate: f64,
    device: Device,
}

fn train(
    work: &Work,
    device: Device,
    images: fn(&Work, &Device) -> Images,
) -> Result<Box<dyn Train>> {
    let device = device.autodiff();
    let labels: Vec<i32> = work.labels.iter().map(|&label| label.into()).collect();
    Ok(Box::new(Training {
        images: images(work, &device),
        labels: Tensor::from_data(TensorData::new(labels, [work.images()]), &device),
        network: Some(Network::new(work, &device)),
        optimizer: optimizer(work),
        loss: CrossEntropyLossConfig::new().init(&device),
        learning_rate: work.sgd.learning_rate.into(),
        device,
    }))
}

impl Training {
    fn loss_of(&self, network: &Network, rows: &[u32]) -> Tensor<1> {
        let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &self.device);
        let targets = self.labels.clone().select(0, rows.clone());
        self.loss.forward(network.scores(self.images.gather(rows)), targets)
    }
}

impl Train for Training {
    fn step(&mut self, rows: &[u32]) -> Result<()> {
        let network = self.network.take().expect("every step puts it back");
        let gradients = self.loss_of(&network, rows).backward();
        let gradients = GradientsParams::from_grads(gradients, &network);
        self.network = Some(self.optimizer.step(self.learning_rate, network, gradients));
        Ok(())
    }

    fn loss(&mut self, rows: &[u32]) -> Result<f32> {
        let network = self.network.as_ref().expect("every step puts it back");
        Ok(self.loss_of(network, rows).into_scalar())
    }
}

struct Classification {
    network: Network,
    parts: Vec<Tensor<2>>,
}

fn classify(work: &Work, device: Device, rows: usize) -> Result<Box<dyn Classify>> {
    let part = |values: &[f32]| {
        let shape = [values.len() / INPUTS, INPUTS];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &device)
    };
    Ok(Box::new(Classification {
        network: Network::new(work, &device),
        parts: work.normalized().chunks(rows * INPUTS).map(part).collect(),
    }))
}

impl Classify for Classification {
    fn classify(&mut self) -> Result<Vec<u32>> {
        let mut classes = vec![];
        for part in &self.parts {
            let found = self.network.scores(part.clone()).argmax(1);
            classes.extend(found.into_data().iter::<u32>());
        }
        Ok(classes)
    }
}
