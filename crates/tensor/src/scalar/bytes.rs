//! Numbers as bytes, little-endian, as they travel between processes.

/// A value that ranks exchange: it has a fixed number of bytes, and comes back to the bit.
pub trait Element: Copy + Send + Sync {
    /// How many bytes.
    const BYTES: usize;

    /// Adds the bytes to a message.
    fn append_to(self, message: &mut Vec<u8>);

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

            fn append_to(self, message: &mut Vec<u8>) {
                message.extend_from_slice(&self.to_le_bytes());
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

    fn append_to(self, message: &mut Vec<u8>) {
        self.iter().for_each(|value| value.append_to(message));
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let (first, second) = bytes.split_at(T::BYTES);
        [T::from_bytes(first), T::from_bytes(second)]
    }
}
