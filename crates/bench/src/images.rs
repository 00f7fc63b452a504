//! Made-up numbers and images, the same on every run.

use std::sync::OnceLock;

use chainrule_tensor::Tensor;

/// Images in memory.
pub const IMAGES: usize = 50_000;

/// Values of an image.
pub const INPUTS: usize = 3072;

/// Classes of the images.
pub const CLASSES: usize = 10;

/// Pseudo-random numbers of 31 bits, without end: a linear congruential generator with Knuth's
/// constants.
pub struct Stream(u64);

impl Stream {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Stream {
        Stream(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1))
    }

    fn number(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u32
    }

    /// A number in 0..`end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.number() as usize % end
    }
}

/// A tensor of numbers in -1..1.
pub fn numbers(rows: usize, columns: usize, seed: u64) -> Tensor {
    let mut stream = Stream::new(seed);
    Tensor::from_fn(rows, columns, |_, _| stream.number() as f32 / (1u32 << 30) as f32 - 1.0)
}

/// [`IMAGES`] made-up images and their labels.
pub struct Images {
    /// (IMAGES, INPUTS), row-major.
    pub pixels: Vec<u8>,
    /// A class for each image.
    pub labels: Vec<u8>,
}

/// The images that all networks of a process train on; the first call makes them.
pub fn images() -> &'static Images {
    static MADE: OnceLock<Images> = OnceLock::new();
    MADE.get_or_init(|| {
        let (mut pixels, mut labels) = (Stream::new(1), Stream::new(2));
        Images {
            pixels: (0..IMAGES * INPUTS).map(|_| pixels.number() as u8).collect(),
            labels: (0..IMAGES).map(|_| labels.below(CLASSES) as u8).collect(),
        }
    })
}
