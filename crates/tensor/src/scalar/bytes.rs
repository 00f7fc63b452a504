//! Numbers as bytes, little-endian, as they travel between processes.

/// A value that ranks exchange: it has a fixed number of bytes, and comes back to the bit.
pub trait Element: Copy + Send + Sync {
    /// How many bytes.
    const BYTES: usize;

    /// Writes the value over [`Self::BYTES`] bytes.
    ///
    /// # Panics
    /// If there are more or fewer.
    fn write_to(self, bytes: &mut [u8]);

    /// The value of [`Self::BYTES`] bytes.
    ///
    /// # Panics
    /// If there are more or fewer.
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($number:ty),*) => {$(
        impl Element for $number {
            const BYTES: usize = size_of::<$number>();

            fn write_to(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            fn from_bytes(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("the bytes of one value"))
            }
        }
    )*};
}

element!(f32, f64, u64);

impl<T: Element> Element for [T; 2] {
    const BYTES: usize = 2 * T::BYTES;

    fn write_to(self, bytes: &mut [u8]) {
        self.iter()
            .zip(bytes.chunks_exact_mut(T::BYTES))
            .for_each(|(value, to)| value.write_to(to));
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let (first, second) = bytes.split_at(T::BYTES);
        [T::from_bytes(first), T::from_bytes(second)]
    }
}
