//! The values of a pickle.

use std::borrow::Cow;

/// Where a pickle cannot be read, counted from 0, and why.
pub(crate) type Problem = (u64, String);

/// A value; what it contains are numbers of other values.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    None,
    /// Also true and false.
    Int(i64),
    /// A text or bytes: Python 2 does not tell them apart.
    Bytes(Cow<'a, [u8]>),
    List(Vec<usize>),
    Tuple(Vec<usize>),
    /// Key and value by turns.
    Dict(Vec<usize>),
    /// A function or type, `module.name`.
    Global(String),
    /// numpy's type of a number, as it writes it: `u1`, `<i8`.
    Dtype(String),
    /// numpy's array; until its state was read there is none in it.
    Array(Option<Array>),
}

/// An array of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub dims: Vec<usize>,
    /// The type of a number, as numpy writes it.
    pub dtype: String,
    /// Whether the first dimension varies fastest (Fortran's order).
    pub is_fortran: bool,
    /// The number of the value that holds the bytes.
    pub bytes: usize,
}

/// All values of a pickle, and which of them it stands for.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    pub values: Vec<Value<'a>>,
    pub top: usize,
}

impl Pickle<'_> {
    /// The value of a key of the dictionary that the pickle is, if it is one.
    pub fn get(&self, key: &str) -> Option<&Value<'_>> {
        let Value::Dict(items) = &self.values[self.top] else { return None };
        let is_key =
            |at: usize| matches!(&self.values[at], Value::Bytes(b) if **b == *key.as_bytes());
        let (_, value) =
            items.as_chunks().0.iter().map(|[k, v]| (*k, *v)).find(|(k, _)| is_key(*k))?;
        Some(&self.values[value])
    }

    /// The bytes of an array.
    pub fn bytes(&self, array: &Array) -> Option<&[u8]> {
        match &self.values[array.bytes] {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A list, a tuple or an array of whole numbers.
    pub fn integers(&self, value: &Value) -> Option<Vec<i64>> {
        match value {
            Value::List(items) | Value::Tuple(items) => {
                let each = items.iter().map(|&item| match self.values[item] {
                    Value::Int(value) => Some(value),
                    _ => None,
                });
                each.collect()
            }
            Value::Array(Some(array)) if array.dims.len() == 1 => {
                integers(&array.dtype, self.bytes(array)?)
            }
            _ => None,
        }
    }
}

/// The numbers in the bytes of an array of whole numbers of this type.
pub(super) fn integers(dtype: &str, bytes: &[u8]) -> Option<Vec<i64>> {
    let is_big = dtype.starts_with('>');
    let kind = dtype.trim_start_matches(['<', '>', '|', '=']);
    let (is_signed, size) = match kind {
        "u1" | "b1" => (false, 1),
        "i1" => (true, 1),
        "u2" => (false, 2),
        "i2" => (true, 2),
        "u4" => (false, 4),
        "i4" => (true, 4),
        "i8" => (true, 8),
        _ => return None,
    };
    let number = |bytes: &[u8]| {
        let step = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        let bits =
            if is_big { bytes.iter().fold(0, step) } else { bytes.iter().rev().fold(0, step) };
        let unused = 64 - 8 * size as u32;
        if is_signed { (bits << unused) as i64 >> unused } else { bits as i64 }
    };
    bytes.len().is_multiple_of(size).then(|| bytes.chunks_exact(size).map(number).collect())
}
