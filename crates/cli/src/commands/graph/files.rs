//! The files that `chainrule graph` reads: formulas, and matrices as CSV or `.npy`.
//!
//! The format of the latter is that of numpy's `lib.format`:
//!
//! ```text
//! b"\\x93NUMPY" 1 0   2 bytes: length of the header; 4 in versions 2 and 3
//! {'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }   spaces, newline
//! the numbers
//! ```

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use chainrule_graph::{Shape, Value, values};

/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 28;

/// The formula that the command line names: itself, `@FILE`, or `-` for standard input.
/// Lines that begin with # say nothing.
pub(super) fn formula(argument: &str) -> anyhow::Result<String> {
    let text = match argument.strip_prefix('@') {
        _ if argument == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().take(MOST_BYTES).read_to_string(&mut text);
            read.context("the formula on standard input could not be read")?;
            text
        }
        Some(file) => {
            let text = read(Path::new(file)).and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())
            });
            let text = text.map_err(anyhow::Error::msg);
            text.with_context(|| format!("the formula in {file} could not be read"))?
        }
        None => return Ok(argument.to_owned()),
    };
    // The line of a comment becomes blank.
    let lines = text.split('\n').map(|line| match line.trim_start().starts_with('#') {
        true => "",
        false => line,
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// A matrix of a file.
///
/// # Errors
/// What is wrong with it.
pub(super) fn matrix(file: &str) -> Result<Value, String> {
    let named = |why: String| format!("{file}: {why}");
    let bytes = read(Path::new(file)).map_err(named)?;
    let value = if bytes.starts_with(b"\x93NUMPY") {
        npy(&bytes)
    } else {
        let text = String::from_utf8(bytes);
        text.map_err(|_| "neither text nor .npy".to_owned()).and_then(|text| {
            // The mark with which spreadsheets begin UTF-8.
            values::table(text.strip_prefix('\u{feff}').unwrap_or(&text))
        })
    };
    value.map_err(named)
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match bytes.len() as u64 > MOST_BYTES {
        true => Err("it is larger than 256 MiB".into()),
        false => Ok(bytes),
    }
}

/// An array of numpy's with one dimension, which is taken as a row, or with two.
fn npy(bytes: &[u8]) -> Result<Value, String> {
    let cut = || "the file ends too early".to_owned();
    let length = |at: usize, size: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte)))
    };
    let (start, size): (usize, usize) = if bytes.get(6) == Some(&1) { (10, 2) } else { (12, 4) };
    let end = length(8, size).and_then(|length| start.checked_add(length)).ok_or_else(cut)?;
    let header = String::from_utf8_lossy(bytes.get(start..end).ok_or_else(cut)?);
    let field = |name: &str| {
        let found = header.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
        found.ok_or_else(|| format!("its header has no {name}"))
    };
    let shape = field("shape")?;
    let dimensions = shape.trim_start_matches('(').split(')').next().unwrap_or_default();
    let dimensions: Vec<u32> = dimensions
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().map_err(|_| format!("its shape ({dimensions}) is not understood")))
        .collect::<Result<_, _>>()?;
    let shape = match dimensions[..] {
        [] => Shape::SCALAR,
        [columns] => Shape::new(1, columns),
        [rows, columns] => Shape::new(rows, columns),
        _ => return Err(format!("it has {} dimensions, and a matrix has two", dimensions.len())),
    };
    let elements = u64::from(shape.rows) * u64::from(shape.columns);
    if elements == 0 {
        return Err("there is no number in it".into());
    }
    let descr = field("descr")?;
    let descr = descr.trim_start_matches(['\'', '"']).split(['\'', '"']).next().unwrap_or_default();
    let (order, kind) = descr.split_at_checked(1).unwrap_or(("", ""));
    let width: usize = match kind {
        "f8" | "i8" | "u8" => 8,
        "f4" | "i4" | "u4" => 4,
        "i2" | "u2" => 2,
        "i1" | "u1" | "b1" => 1,
        _ => return Err(format!("it holds {descr}, which is not read; astype(float) makes it so")),
    };
    let numbers = bytes.get(end..).unwrap_or_default();
    if numbers.len() as u64 != elements * width as u64 {
        return Err(format!(
            "it has {} bytes of numbers, and {shape} needs {}",
            numbers.len(),
            elements * width as u64
        ));
    }
    let number = |bytes: &[u8]| -> f64 {
        let mut raw = [0; 8];
        raw[..width].copy_from_slice(bytes);
        if order == ">" {
            raw[..width].reverse();
        }
        let bits = u64::from_le_bytes(raw);
        let unused = 64 - 8 * width as u32;
        match kind.as_bytes()[0] {
            b'f' if width == 8 => f64::from_bits(bits),
            b'f' => f64::from(f32::from_bits(bits as u32)),
            b'i' => ((bits << unused) as i64 >> unused) as f64,
            _ => bits as f64,
        }
    };
    let numbers: Vec<f64> = numbers.chunks(width).map(number).collect();
    if let Some(wrong) = numbers.iter().find(|number| !number.is_finite()) {
        return Err(format!("it holds {wrong}, and a value is finite"));
    }
    if !field("fortran_order")?.starts_with("True") {
        return Ok(Value::new(shape, numbers));
    }
    // Column by column.
    let (rows, columns) = (shape.rows as usize, shape.columns as usize);
    let place = |i: usize| i % columns * rows + i / columns;
    Ok(Value::new(shape, (0..numbers.len()).map(|i| numbers[place(i)]).collect()))
}
