//! The stack machine that a pickle is a program of.

use std::borrow::Cow;
use std::collections::HashMap;

use super::value::{Array, Pickle, Problem, Value, integers};

/// Most values of a pickle, and most references to them; the largest of CIFAR's hold 150,000.
const MOST_VALUES: usize = 1 << 20;

/// Most items of a tuple that is looked into: those that numpy makes have up to eight.
const MOST_ITEMS: usize = 16;

struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<usize>,
    /// Where the stack stood at each mark.
    marks: Vec<usize>,
    memo: HashMap<u64, usize>,
    /// References that were made so far.
    recalled: usize,
    /// Bytes that were made and do not lie in the input.
    made: usize,
}

/// Reads a pickle of protocol 2 to 5.
///
/// # Errors
/// Where it breaks the format, calls a function that is not numpy's, or holds too much.
pub(crate) fn read(input: &[u8]) -> Result<Pickle<'_>, Problem> {
    let mut machine = Machine {
        input,
        at: 0,
        values: vec![],
        stack: vec![],
        marks: vec![],
        memo: HashMap::new(),
        recalled: 0,
        made: 0,
    };
    loop {
        let at = machine.at;
        match machine.step() {
            Ok(false) => {}
            Ok(true) => {
                let top = machine.pop().map_err(|problem| (at as u64, problem))?;
                return Ok(Pickle { values: machine.values, top });
            }
            Err(problem) => return Err((at as u64, problem)),
        }
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8], String> {
        let left = &self.input[self.at..];
        let n = usize::try_from(n).ok().filter(|n| *n <= left.len());
        let n = n.ok_or("the file ends too early")?;
        self.at += n;
        Ok(&left[..n])
    }

    /// A little-endian number of so many bytes.
    fn number(&mut self, bytes: u64) -> Result<u64, String> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Result<String, String> {
        let left = &self.input[self.at..];
        let end = left.iter().position(|&byte| byte == b'\n').ok_or("a line without an end")?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&left[..end]).into_owned())
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        if self.values.len() == MOST_VALUES {
            return Err(format!("it holds more than {MOST_VALUES} values"));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    /// The bytes of a text or of bytes, whose length takes so many bytes.
    fn push_bytes(&mut self, length: u64) -> Result<(), String> {
        let n = self.number(length)?;
        let bytes = self.take(n)?;
        self.push(Value::Bytes(Cow::Borrowed(bytes)))
    }

    fn pop(&mut self) -> Result<usize, String> {
        let least = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= least {
            return Err("it takes a value from an empty stack".into());
        }
        Ok(self.stack.pop().expect("the stack is not empty"))
    }

    /// The last `n` values.
    fn pop_n(&mut self, n: usize) -> Result<Vec<usize>, String> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(items)
    }

    /// The values since the last mark.
    fn pop_mark(&mut self) -> Result<Vec<usize>, String> {
        let mark = self.marks.pop().ok_or("it takes values from before any mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn memoize(&mut self, id: u64) -> Result<(), String> {
        let &top = self.stack.last().ok_or("it remembers a value of an empty stack")?;
        self.memo.insert(id, top);
        Ok(())
    }

    fn recall(&mut self, id: u64) -> Result<(), String> {
        let value = *self.memo.get(&id).ok_or("it recalls what it did not remember")?;
        self.recalled += 1;
        if self.recalled > MOST_VALUES {
            return Err(format!("it refers to values more than {MOST_VALUES} times"));
        }
        self.stack.push(value);
        Ok(())
    }

    /// Adds items to the list or dictionary below them.
    fn extend(&mut self, items: Vec<usize>) -> Result<(), String> {
        let &to = self.stack.last().ok_or("it adds to nothing")?;
        match &mut self.values[to] {
            Value::List(list) | Value::Dict(list) => {
                list.extend(items);
                Ok(())
            }
            _ => Err("it adds to what is neither a list nor a dictionary".into()),
        }
    }

    /// One operation; whether it was the last.
    fn step(&mut self) -> Result<bool, String> {
        match self.number(1)? as u8 {
            0x80 => match self.number(1)? {
                2..=5 => {}
                protocol => return Err(format!("protocol {protocol}: expected 2 to 5")),
            },
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(true),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Int(1))?,
            0x89 => self.push(Value::Int(0))?,
            b'K' => self.push_int(1)?,
            b'M' => self.push_int(2)?,
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.push(Value::Int(value.into()))?;
            }
            0x8a => {
                let n = self.number(1)?;
                let bytes = self.take(n)?;
                if bytes.len() > 8 {
                    return Err("a whole number of more than 64 bits".into());
                }
                let sign = if bytes.last().is_some_and(|last| *last > 0x7f) { u64::MAX } else { 0 };
                let value = bytes.iter().rev().fold(sign, |sum, byte| sum << 8 | u64::from(*byte));
                self.push(Value::Int(value as i64))?;
            }
            b'U' | b'C' | 0x8c => self.push_bytes(1)?,
            b'T' | b'B' | b'X' => self.push_bytes(4)?,
            0x8d | 0x8e | 0x96 => self.push_bytes(8)?,
            b']' => self.push(Value::List(vec![]))?,
            b'}' => self.push(Value::Dict(vec![]))?,
            b')' => self.push(Value::Tuple(vec![]))?,
            op @ 0x85..=0x87 => {
                let items = self.pop_n(usize::from(op - 0x84))?;
                self.push(Value::Tuple(items))?;
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items))?;
            }
            b'a' => {
                let items = self.pop_n(1)?;
                self.extend(items)?;
            }
            b's' => {
                let items = self.pop_n(2)?;
                self.extend(items)?;
            }
            b'e' | b'u' => {
                let items = self.pop_mark()?;
                self.extend(items)?;
            }
            b'q' => {
                let id = self.number(1)?;
                self.memoize(id)?;
            }
            b'r' => {
                let id = self.number(4)?;
                self.memoize(id)?;
            }
            0x94 => self.memoize(self.memo.len() as u64)?,
            b'h' => {
                let id = self.number(1)?;
                self.recall(id)?;
            }
            b'j' => {
                let id = self.number(4)?;
                self.recall(id)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(format!("{module}.{name}")))?;
            }
            0x93 => {
                let names = self.pop_n(2)?;
                let text = |at: usize| {
                    self.text(at).map(|text| String::from_utf8_lossy(text).into_owned())
                };
                let global = format!("{}.{}", text(names[0])?, text(names[1])?);
                self.push(Value::Global(global))?;
            }
            b'R' => {
                let items = self.pop_n(2)?;
                self.call(items[0], items[1])?;
            }
            b'b' => {
                let state = self.pop()?;
                self.set_state(state)?;
            }
            op => return Err(format!("operation {op:#04x}, which no array of numbers needs")),
        }
        Ok(false)
    }

    fn push_int(&mut self, bytes: u64) -> Result<(), String> {
        let value = self.number(bytes)? as i64;
        self.push(Value::Int(value))
    }

    fn text(&self, at: usize) -> Result<&[u8], String> {
        match &self.values[at] {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err("a text was expected".into()),
        }
    }

    fn tuple(&self, at: usize) -> Result<Vec<usize>, String> {
        match &self.values[at] {
            Value::Tuple(items) if items.len() <= MOST_ITEMS => Ok(items.clone()),
            _ => Err("a tuple was expected".into()),
        }
    }

    fn dims(&self, at: usize) -> Result<Vec<usize>, String> {
        let each = self.tuple(at)?.into_iter().map(|item| match self.values[item] {
            Value::Int(dim) => usize::try_from(dim).map_err(|_| "a negative dimension".to_owned()),
            _ => Err("a dimension that is no whole number".into()),
        });
        each.collect()
    }

    fn dtype(&self, at: usize) -> Result<String, String> {
        match &self.values[at] {
            Value::Dtype(dtype) => Ok(dtype.clone()),
            _ => Err("a type of numpy was expected".into()),
        }
    }

    /// What a function makes of its arguments: those of numpy, and of bytes.
    fn call(&mut self, function: usize, arguments: usize) -> Result<(), String> {
        let Value::Global(name) = &self.values[function] else {
            return Err("it calls what is no function".into());
        };
        let (name, items) = (name.clone(), self.tuple(arguments)?);
        // numpy 2 has renamed numpy.core.
        match (name.replace("numpy._core.", "numpy.core.").as_str(), &items[..]) {
            ("numpy.core.multiarray._reconstruct", _) => self.push(Value::Array(None)),
            ("numpy.dtype", [dtype, ..]) => {
                let dtype = String::from_utf8_lossy(self.text(*dtype)?).into_owned();
                self.push(Value::Dtype(dtype))
            }
            ("numpy.core.numeric._frombuffer", &[bytes, dtype, dims, order]) => {
                self.text(bytes)?;
                let array = Array {
                    dims: self.dims(dims)?,
                    dtype: self.dtype(dtype)?,
                    is_fortran: self.text(order)? == b"F",
                    bytes,
                };
                self.push(Value::Array(Some(array)))
            }
            ("numpy.core.multiarray.scalar", &[dtype, bytes]) => {
                match integers(&self.dtype(dtype)?, self.text(bytes)?).as_deref() {
                    Some(&[value]) => self.push(Value::Int(value)),
                    _ => Err("a number that is not whole".into()),
                }
            }
            ("_codecs.encode", [text, ..]) => {
                let bytes = latin1(self.text(*text)?)?;
                self.made += bytes.len();
                if self.made > self.input.len() {
                    return Err("it makes more bytes than the file has".into());
                }
                self.push(Value::Bytes(Cow::Owned(bytes)))
            }
            ("__builtin__.bytearray" | "builtins.bytearray", [bytes]) => {
                self.text(*bytes)?;
                self.stack.push(*bytes);
                Ok(())
            }
            _ => Err(format!("it calls {name}, and nothing but numpy arrays is read of a pickle")),
        }
    }

    /// What numpy says of an array or a type after it was made.
    fn set_state(&mut self, state: usize) -> Result<(), String> {
        let &of = self.stack.last().ok_or("it sets the state of nothing")?;
        let state = self.tuple(state)?;
        let new = match (&self.values[of], &state[..]) {
            (Value::Array(_), &[_, dims, dtype, order, bytes]) => {
                self.text(bytes)?;
                let is_fortran = matches!(self.values[order], Value::Int(1));
                let (dims, dtype) = (self.dims(dims)?, self.dtype(dtype)?);
                Value::Array(Some(Array { dims, dtype, is_fortran, bytes }))
            }
            (Value::Dtype(dtype), [_, order, ..]) => {
                let kind = dtype.trim_start_matches(['<', '>', '|', '=']);
                Value::Dtype(format!("{}{kind}", String::from_utf8_lossy(self.text(*order)?)))
            }
            _ => return Err("it sets the state of what is neither an array nor its type".into()),
        };
        self.values[of] = new;
        Ok(())
    }
}

/// The bytes of a text in UTF-8 whose characters stand for bytes.
fn latin1(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "a text that is not UTF-8")?;
    let each = text.chars().map(|c| u8::try_from(u32::from(c)).map_err(|_| c));
    each.collect::<Result<_, char>>().map_err(|c| format!("{c:?} is no byte"))
}
