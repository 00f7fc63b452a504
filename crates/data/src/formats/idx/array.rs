//! One IDX file: an array of numbers, brought to bytes.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::Error;

/// Most values of an array: 2 GB of bytes, 2.7 million images of 28 × 28.
const MOST: u64 = 1 << 31;

/// The numbers of labels, (n), or of images, (n, height, width) or (n, channels, height, width), as
/// bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    /// 1 dimension of labels; 3 or 4 of images.
    pub dims: Vec<usize>,
    /// Row-major.
    pub values: Vec<u8>,
    /// Bytes of a value in the file.
    pub width: usize,
    /// What was done to the numbers to make them bytes, if anything was, as a sentence goes on.
    pub change: Option<String>,
}

/// The types of a value, by the third byte of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Element {
    fn of(code: u8) -> Option<Element> {
        Some(match code {
            0x08 => Element::U8,
            0x09 => Element::I8,
            0x0b => Element::I16,
            0x0c => Element::I32,
            0x0d => Element::F32,
            0x0e => Element::F64,
            _ => return None,
        })
    }

    /// Its name in numpy.
    fn name(self) -> &'static str {
        match self {
            Element::U8 => "uint8",
            Element::I8 => "int8",
            Element::I16 => "int16",
            Element::I32 => "int32",
            Element::F32 => "float32",
            Element::F64 => "float64",
        }
    }

    fn size(self) -> usize {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::I16 => 2,
            Element::I32 | Element::F32 => 4,
            Element::F64 => 8,
        }
    }

    /// A value of its big-endian bytes; each is a whole f64.
    fn value(self, bytes: &[u8]) -> f64 {
        let whole = || bytes.try_into().expect("as many bytes as the type has");
        match self {
            Element::U8 => bytes[0].into(),
            Element::I8 => (bytes[0] as i8).into(),
            Element::I16 => i16::from_be_bytes([bytes[0], bytes[1]]).into(),
            Element::I32 => i32::from_be_bytes(whole()).into(),
            Element::F32 => f32::from_be_bytes(whole()).into(),
            Element::F64 => f64::from_be_bytes(bytes.try_into().expect("eight bytes")),
        }
    }
}

/// Whether a file that begins so is an IDX array.
pub fn is_array(start: &[u8]) -> bool {
    matches!(start, [0, 0, code, 1..=4, ..] if Element::of(*code).is_some())
}

/// Reads an array from its first byte to the end of `from`; `path` is for messages.
///
/// Whole numbers of 0 to 255 become bytes, whatever their type; numbers of images that all lie from
/// 0 to 1 are taken as fractions of 255. Images with their channels last, (n, height, width,
/// channels), are brought to channels first. Nothing is allocated that `from` does not fill.
///
/// # Errors
/// [`Error::Idx`] if it is no array of labels or images, its numbers are no bytes, it claims more
/// than 2 billion values, ends too early or too late; [`Error::Read`] if it cannot be read.
pub fn read(mut from: impl Read, path: &Path) -> Result<Array, Error> {
    let refuse = |byte: u64, problem: String| Error::Idx { path: path.to_owned(), byte, problem };
    let failed = |at: u64| {
        move |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => refuse(at, "the file ends within its header".into()),
            _ => Error::Read { path: path.to_owned(), reason: error },
        }
    };
    let mut word = [0; 4];
    from.read_exact(&mut word).map_err(failed(0))?;
    let (element, rank) = match word {
        [0, 0, code, rank] => match (Element::of(code), rank) {
            (Some(element), 1..=4) => (element, usize::from(rank)),
            (Some(_), _) => {
                let problem = format!("{rank} dimensions: expected 3 or 4 of images, 1 of labels");
                return Err(refuse(3, problem));
            }
            (None, _) => {
                let problem = format!("values of type {code:#04x}: expected uint8, 0x08");
                return Err(refuse(2, problem));
            }
        },
        _ => return Err(refuse(0, "expected two zeros, with which an IDX file begins".into())),
    };
    let mut dims = Vec::with_capacity(rank);
    let mut count = 1u64;
    for i in 0..rank as u64 {
        let at = 4 + 4 * i;
        from.read_exact(&mut word).map_err(failed(at))?;
        let dim = u32::from_be_bytes(word);
        count = count.saturating_mul(dim.into());
        if dim == 0 || count > MOST {
            let problem = format!("dimension {i} is {dim}: expected 1 to {MOST} values in all");
            return Err(refuse(at, problem));
        }
        dims.push(dim as usize);
    }
    let header = 4 + 4 * rank as u64;
    let length = count * element.size() as u64;
    let mut bytes = Vec::new();
    let read = from.by_ref().take(length).read_to_end(&mut bytes);
    let read = match read {
        // Packed, and cut short: what was unpacked counts.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => bytes.len(),
        read => read.map_err(failed(header))?,
    } as u64;
    let promise = || format!("its header promises {count} values of {}: {dims:?}", element.name());
    if read < length {
        return Err(refuse(header + read, format!("the file ends, and {}", promise())));
    }
    if from.read(&mut word).map_err(failed(header + length))? > 0 {
        return Err(refuse(header + length, format!("the file goes on, and {}", promise())));
    }
    let form = Form::of(&dims).map_err(|problem| refuse(4, problem))?;
    let (values, change) = to_bytes(bytes, element, form == Form::Labels)
        .map_err(|(at, problem)| refuse(header + (at * element.size()) as u64, problem))?;
    let width = element.size();
    Ok(match form {
        Form::Labels => Array { dims: vec![dims[0]], values, width, change },
        Form::Images => Array { dims, values, width, change },
        Form::ChannelsLast => {
            let [n, height, breadth, channels] = dims[..] else { unreachable!("four dimensions") };
            let values = channels_first(&values, height * breadth, channels);
            Array { dims: vec![n, channels, height, breadth], values, width, change }
        }
    })
}

/// What the dimensions of an array say that it is.
#[derive(PartialEq, Eq)]
enum Form {
    Labels,
    Images,
    ChannelsLast,
}

impl Form {
    fn of(dims: &[usize]) -> Result<Form, String> {
        let are_channels = |n: usize| n == 1 || n == 3;
        match dims[..] {
            [_] | [_, 1] => Ok(Form::Labels),
            [_, _, _] => Ok(Form::Images),
            [_, first, _, last] if are_channels(first) && !are_channels(last) => Ok(Form::Images),
            [_, first, _, last] if are_channels(last) && !are_channels(first) => {
                Ok(Form::ChannelsLast)
            }
            _ => Err(format!(
                "dimensions {dims:?}: expected (n) of labels, and of images (n, height, width), or \
                 (n, channels, height, width) with 1 or 3 channels"
            )),
        }
    }
}

/// Bytes of numbers, and what was done to them; else where there is one that cannot be a byte.
fn to_bytes(
    bytes: Vec<u8>,
    element: Element,
    are_labels: bool,
) -> Result<(Vec<u8>, Option<String>), (usize, String)> {
    if element == Element::U8 {
        return Ok((bytes, None));
    }
    let values = || bytes.chunks_exact(element.size()).map(|bytes| element.value(bytes));
    let is_byte = |x: f64| (0.0..=255.0).contains(&x) && x.fract() == 0.0;
    let is_fraction = |x: f64| !are_labels && (0.0..=1.0).contains(&x);
    let name = element.name();
    if let Some(first) = values().position(|x| !is_byte(x)) {
        if values().all(is_fraction) {
            let values = values().map(|x| (x * 255.0).round() as u8).collect();
            return Ok((values, Some(format!("{name} from 0 to 1, read as fractions of 255"))));
        }
        // Among fractions it is not the first of them that is wrong.
        let at = values().position(|x| !is_byte(x) && !is_fraction(x)).unwrap_or(first);
        let value = values().nth(at).unwrap_or_default();
        let expected = if are_labels {
            "expected labels from 0 to 255"
        } else {
            "expected whole numbers from 0 to 255, or all of them from 0 to 1"
        };
        return Err((at, format!("value {at} of {name} is {value}: {expected}")));
    }
    Ok((values().map(|x| x as u8).collect(), Some(format!("{name}, all of them bytes"))))
}

/// Images with their channels first, of images with their channels last.
fn channels_first(values: &[u8], area: usize, channels: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len());
    for image in values.chunks_exact(area * channels) {
        for channel in 0..channels {
            out.extend(image.iter().skip(channel).step_by(channels));
        }
    }
    out
}
