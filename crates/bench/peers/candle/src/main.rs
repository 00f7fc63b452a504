//! candle on the CPU: its autograd, and momentum as an operation in place.
//!
//! candle's own SGD has no momentum, and its optimizers allocate a tensor for each operation; an
//! operation in place is the way that its documentation offers for more. Its autograd forms the
//! gradient of a product's both factors, that of the images too. A second way to train leaves that
//! out: the first product is done by hand and its result is a leaf of the graph.

mod momentum;

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use peer::{Classify, Framework, INPUTS, MEAN, SCALE, Sgd, Train, Work};

use momentum::Momentum;

fn main() -> Result<()> {
    peer::run(&Framework {
        name: "candle",
        package: "candle-core",
        training: &[
            ("autograd, f32 in memory", |work| train(work, Images::f32(work)?, Graph::Whole)),
            ("autograd, bytes in memory", |work| train(work, Images::bytes(work)?, Graph::Whole)),
            ("first product by hand, f32 in memory", |work| {
                train(work, Images::f32(work)?, Graph::AfterFirstProduct)
            }),
            ("first product by hand, bytes in memory", |work| {
                train(work, Images::bytes(work)?, Graph::AfterFirstProduct)
            }),
        ],
        evaluation: &[
            ("200 rows at once", |work| classify(work, 200)),
            ("1000 rows at once", |work| classify(work, 1000)),
            ("10000 rows at once", |work| classify(work, 10_000)),
        ],
    })
}

/// All images (images, INPUTS), as normalized f32 or as bytes.
struct Images(Tensor);

impl Images {
    fn f32(work: &Work) -> Result<Images> {
        let shape = (work.images(), INPUTS);
        Ok(Images(Tensor::from_vec(work.normalized(), shape, &Device::Cpu)?))
    }

    fn bytes(work: &Work) -> Result<Images> {
        let shape = (work.images(), INPUTS);
        Ok(Images(Tensor::from_slice(&work.pixels, shape, &Device::Cpu)?))
    }

    /// Those of these rows, as normalized f32.
    fn gather(&self, rows: &Tensor) -> Result<Tensor> {
        let images = self.0.index_select(rows, 0)?;
        Ok(match images.dtype() {
            DType::U8 => {
                let (scale, shift) = (f64::from(SCALE), f64::from(-MEAN * SCALE));
                images.to_dtype(DType::F32)?.affine(scale, shift)?
            }
            _ => images,
        })
    }
}

/// y = x W + b, with W (inputs, outputs).
struct Linear {
    weights: Var,
    biases: Var,
}

struct Network(Vec<Linear>);

impl Network {
    fn new(work: &Work) -> Result<Network> {
        let linear = |layer: &peer::Layer| {
            let shape = (layer.inputs, layer.outputs);
            Ok(Linear {
                weights: Var::from_slice(&layer.weights, shape, &Device::Cpu)?,
                biases: Var::zeros(layer.outputs, DType::F32, &Device::Cpu)?,
            })
        };
        work.layers.iter().map(linear).collect::<Result<_>>().map(Network)
    }

    /// The scores (rows, CLASSES), from the product of the images and the first weights.
    fn scores(&self, first_product: &Tensor) -> Result<Tensor> {
        let mut z = first_product.broadcast_add(&self.0[0].biases)?;
        for layer in &self.0[1..] {
            z = z.relu()?.matmul(&layer.weights)?.broadcast_add(&layer.biases)?;
        }
        Ok(z)
    }

    fn first_weights(&self) -> &Tensor {
        &self.0[0].weights
    }
}

/// What the autograd sees.
enum Graph {
    Whole,
    AfterFirstProduct,
}

struct Training {
    images: Images,
    labels: Tensor,
    network: Network,
    graph: Graph,
    sgd: Sgd,
    velocities: Vec<(Tensor, Tensor)>,
}

fn train(work: &Work, images: Images, graph: Graph) -> Result<Box<dyn Train>> {
    let network = Network::new(work)?;
    let zeros = |layer: &Linear| Ok((layer.weights.zeros_like()?, layer.biases.zeros_like()?));
    let labels: Vec<u32> = work.labels.iter().map(|&label| label.into()).collect();
    Ok(Box::new(Training {
        images,
        labels: Tensor::new(labels, &Device::Cpu)?,
        velocities: network.0.iter().map(zeros).collect::<Result<_>>()?,
        network,
        graph,
        sgd: work.sgd,
    }))
}

impl Train for Training {
    fn step(&mut self, rows: &[u32]) -> Result<()> {
        let rows = Tensor::new(rows, &Device::Cpu)?;
        let (x, y) = (self.images.gather(&rows)?, self.labels.index_select(&rows, 0)?);
        let mut product = x.matmul(self.network.first_weights())?;
        if let Graph::AfterFirstProduct = self.graph {
            product = Var::from_tensor(&product.detach())?.into_inner();
        }
        let gradients = cross_entropy(&self.network.scores(&product)?, &y)?.backward()?;
        let gradient = |of: &Tensor| gradients.get(of).context("a gradient is missing");

        let momentum = Momentum::of(&self.sgd);
        let layers = self.network.0.iter().zip(&self.velocities);
        for (i, (layer, (v_weights, v_biases))) in layers.enumerate() {
            let d_weights = match self.graph {
                Graph::AfterFirstProduct if i == 0 => &x.t()?.matmul(gradient(&product)?)?,
                _ => gradient(&layer.weights)?,
            };
            momentum.update(&layer.weights, v_weights, d_weights, self.sgd.l2)?;
            momentum.update(&layer.biases, v_biases, gradient(&layer.biases)?, 0.0)?;
        }
        Ok(())
    }

    fn loss(&mut self, rows: &[u32]) -> Result<f32> {
        let rows = Tensor::new(rows, &Device::Cpu)?;
        let product = self.images.gather(&rows)?.matmul(self.network.first_weights())?;
        let scores = self.network.scores(&product)?;
        Ok(cross_entropy(&scores, &self.labels.index_select(&rows, 0)?)?.to_scalar()?)
    }
}

struct Classification {
    network: Network,
    parts: Vec<Tensor>,
}

fn classify(work: &Work, rows: usize) -> Result<Box<dyn Classify>> {
    let part = |values: &[f32]| {
        let shape = (values.len() / INPUTS, INPUTS);
        Ok(Tensor::from_slice(values, shape, &Device::Cpu)?)
    };
    Ok(Box::new(Classification {
        network: Network::new(work)?,
        parts: work.normalized().chunks(rows * INPUTS).map(part).collect::<Result<_>>()?,
    }))
}

impl Classify for Classification {
    fn classify(&mut self) -> Result<Vec<u32>> {
        let mut classes = vec![];
        for part in &self.parts {
            let product = part.matmul(&self.network.first_weights().detach())?;
            let scores = self.network.scores(&product)?;
            classes.extend(scores.argmax(1)?.to_vec1::<u32>()?);
        }
        Ok(classes)
    }
}
