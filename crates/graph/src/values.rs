//! Reading the values of the variables: `x=-2,y=5`, `W=[1,2;3,4]`, `x=@x.csv`; and
//! their shapes: `W=4x3`.

use std::collections::HashSet;

use crate::number::is_minus;
use crate::value::{Shape, Value};

/// What is wrong with a list of values or shapes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValuesError {
    /// Not of the form NAME=NUMBER.
    #[error(
        "{0:?} is not a value for a variable; write NAME=NUMBER, as in x=-2,y=5, or a matrix row \
         by row, as in W=[1,2;3,4]"
    )]
    Form(String),
    /// The right side isn't a finite number.
    #[error(
        "{value:?} is not a finite number; the value of {name} must be one, such as 5, -0.5 or 1e-3"
    )]
    Number {
        /// The variable.
        name: String,
        /// What stood for its value.
        value: String,
    },
    /// A matrix that isn't one, or a file that can't be read.
    #[error("{name} has no value: {why}")]
    Matrix {
        /// The variable.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Not of the form NAME=ROWSxCOLUMNS.
    #[error("{0:?} is not a shape; write NAME=ROWSxCOLUMNS, as in W=4x3,b=4x1")]
    Shape(String),
    /// The same name more than once.
    #[error("{0} is given a value twice")]
    Twice(String),
    /// The same name more than once.
    #[error("{0} is given a shape twice")]
    ShapeTwice(String),
}

/// Reads `NAME=VALUE` pairs that are separated by commas, semicolons, blanks or
/// line ends. Blanks around = don't count, and a pasted minus sign (−) is a minus.
/// A matrix is written row by row: `[1,2;3,4]`, `[1 2; 3 4]` or `[[1,2],[3,4]]`.
///
/// ```
/// use chainrule_graph::{Shape, values};
///
/// let given = values::parse("x=-2, W=[1,2,3; 4,5,6]").unwrap();
/// assert_eq!(given[0], ("x".into(), (-2.0).into()));
/// assert_eq!(given[1].1.shape(), Shape::new(2, 3));
/// ```
///
/// # Errors
/// The first pair that can't be read, a name that comes twice, or a file
/// (`x=@x.csv`), for which there is [`parse_with`].
pub fn parse(text: &str) -> Result<Vec<(String, Value)>, ValuesError> {
    parse_with(text, |file| Err(format!("the file {file} is not read here")))
}

/// The same, with a way to read the files of `x=@x.csv` and `x=@"my x.csv"`.
///
/// # Errors
/// The first pair that can't be read, or a name that comes twice.
pub fn parse_with(
    text: &str,
    mut read: impl FnMut(&str) -> Result<Value, String>,
) -> Result<Vec<(String, Value)>, ValuesError> {
    let mut values: Vec<(String, Value)> = Vec::new();
    let mut seen = HashSet::new();
    for pair in Pairs::new(text) {
        let (name, text) = pair.map_err(ValuesError::Form)?;
        let bad = |why| ValuesError::Matrix { name: name.to_owned(), why };
        let value = if let Some(file) = text.strip_prefix('@') {
            read(file.trim_matches(['"', '\''])).map_err(bad)?
        } else if text.starts_with('[') {
            matrix(text).map_err(bad)?
        } else {
            let not_finite = || {
                let (name, value) = (name.to_owned(), text.to_owned());
                ValuesError::Number { name, value }
            };
            number(text).ok_or_else(not_finite)?.into()
        };
        if !seen.insert(name) {
            return Err(ValuesError::Twice(name.to_owned()));
        }
        values.push((name.to_owned(), value));
    }
    Ok(values)
}

/// Reads `NAME=ROWSxCOLUMNS` pairs, separated as those of [`parse`].
///
/// ```
/// use chainrule_graph::{Shape, values::parse_shapes};
///
/// let shapes = parse_shapes("W=4x3, b=4×1").unwrap();
/// assert_eq!(shapes, [("W".into(), Shape::new(4, 3)), ("b".into(), Shape::new(4, 1))]);
/// ```
///
/// # Errors
/// The first pair that can't be read, or a name that comes twice.
pub fn parse_shapes(text: &str) -> Result<Vec<(String, Shape)>, ValuesError> {
    let mut shapes: Vec<(String, Shape)> = Vec::new();
    for pair in Pairs::new(text) {
        let (name, text) = pair.map_err(ValuesError::Shape)?;
        let shape = text.split_once(['x', 'X', '×']).and_then(|(rows, columns)| {
            let [rows, columns] = [rows, columns].map(|n| n.parse().ok().filter(|n| *n > 0));
            Some(Shape::new(rows?, columns?))
        });
        let shape = shape.ok_or_else(|| ValuesError::Shape(format!("{name}={text}")))?;
        if shapes.iter().any(|(known, _)| known == name) {
            return Err(ValuesError::ShapeTwice(name.to_owned()));
        }
        shapes.push((name.to_owned(), shape));
    }
    Ok(shapes)
}

/// A finite number, with any sign that people paste.
fn number(text: &str) -> Option<f64> {
    let number = text.replace(is_minus, "-").parse::<f64>().ok();
    number.filter(|number| number.is_finite())
}

/// A matrix of lines: one row each, its numbers separated by commas, semicolons or
/// blanks. Blank lines don't count.
///
/// # Errors
/// What is wrong, and in which line.
pub fn table(text: &str) -> Result<Value, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    rows(lines.map(|(i, line)| (format!("line {}", i + 1), line)))
}

/// `[1,2;3,4]`, `[1 2; 3 4]`, `[[1,2],[3,4]]`
fn matrix(text: &str) -> Result<Value, String> {
    let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return Err(format!("{text} lacks a closing ]"));
    };
    let inner = inner.trim();
    let lists: Vec<&str> = match inner.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => {
            inner.split(']').map(|row| row.trim_start_matches([',', ' ', '[', '\n'])).collect()
        }
        None => inner.split([';', '\n']).filter(|row| !row.trim().is_empty()).collect(),
    };
    rows(lists.into_iter().enumerate().map(|(i, row)| (format!("row {}", i + 1), row)))
}

/// A matrix of rows, each with a name for messages.
fn rows<'a>(rows: impl Iterator<Item = (String, &'a str)>) -> Result<Value, String> {
    let mut numbers = Vec::new();
    let (mut height, mut width): (usize, usize) = (0, 0);
    for (place, row) in rows {
        let before = numbers.len();
        let separators = |c: char| matches!(c, ',' | ';') || c.is_whitespace();
        for text in row.split(separators).filter(|text| !text.is_empty()) {
            let found = number(text);
            numbers.push(
                found.ok_or_else(|| format!("{place} has {text:?}, which is no finite number"))?,
            );
        }
        let found = numbers.len() - before;
        if height > 0 && found != width {
            return Err(format!("{place} has {found} numbers, and the first has {width}"));
        }
        (height, width) = (height + 1, found);
    }
    if numbers.is_empty() {
        return Err("there is no number in it".into());
    }
    let [height, width] = [height, width].map(|n| u32::try_from(n).ok());
    let shape = height.zip(width).ok_or("it has too many rows or columns")?;
    Ok(Value::new(Shape::new(shape.0, shape.1), numbers))
}

/// The pairs of a list: name and value, as they are written.
struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Pairs<'a> {
    fn new(text: &'a str) -> Self {
        Pairs { rest: text }
    }
}

impl<'a> Iterator for Pairs<'a> {
    /// A pair, or the text that isn't one.
    type Item = Result<(&'a str, &'a str), String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches(|c: char| c == ';' || c.is_whitespace());
        if self.rest.is_empty() {
            return None;
        }
        let wrong = |text: &str| {
            let end = text.find([',', ';', '\n']).unwrap_or(text.len());
            Some(Err(text[..end].trim_end().to_owned()))
        };
        let Some((name, behind)) = self.rest.split_once('=') else { return wrong(self.rest) };
        let (name, value) = (name.trim_end(), behind.trim_start());
        if name.is_empty() || name.contains(|c: char| matches!(c, ',' | ';') || c.is_whitespace()) {
            return wrong(self.rest);
        }
        let length = length(value);
        if length == 0 {
            return wrong(self.rest);
        }
        // One comma may follow.
        let after = value[length..].trim_start_matches([' ', '\t', '\u{a0}']);
        self.rest = after.strip_prefix(',').unwrap_or(after);
        Some(Ok((name, &value[..length])))
    }
}

/// How many bytes of a text are one value.
fn length(text: &str) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(text.len());
    let ends = |c: char| matches!(c, ',' | ';') || c.is_whitespace();
    let mut depth = 0_usize;
    match text.as_bytes() {
        [b'[', ..] => to(text
            .char_indices()
            .find(|(_, c)| {
                match c {
                    '[' => depth += 1,
                    ']' => depth -= 1,
                    _ => {}
                }
                depth == 0
            })
            .map(|(at, _)| at + 1)),
        [b'@', quote @ (b'"' | b'\''), rest @ ..] => {
            to(rest.iter().position(|byte| byte == quote).map(|at| at + 3))
        }
        _ => to(text.find(ends)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_number_is_refused_by_name() {
        let message = |text| parse(text).unwrap_err().to_string();
        assert!(message("x=1,y").contains("\"y\""));
        assert!(message("x=1,y=two").contains("value of y"));
        assert!(message("x=inf").contains("finite"));
        assert!(message("x=NaN").contains("finite"));
        assert!(message("x=1,,y=2").contains("NAME=NUMBER"));
        assert!(message("=1").contains("NAME=NUMBER"));
        assert_eq!(parse("x=1,x=2"), Err(ValuesError::Twice("x".into())));
        assert!(message("x 1").contains("NAME=NUMBER") && message("x y=1").contains("x y=1"));
        assert_eq!(parse(" "), Ok(Vec::new()));
    }

    #[test]
    fn a_matrix_is_read_row_by_row_in_each_notation_that_people_type() {
        let expected = Value::new(Shape::new(2, 3), vec![1.0, -2.0, 3.0, 4.0, 5.0, 1e-3]);
        for text in [
            "W=[1,-2,3;4,5,1e-3]",
            "W = [1 -2 3; 4 5 1e-3]",
            "W=[[1, -2, 3], [4, 5, 1e-3]]",
            "W=[1,\u{2212}2,3\n4,5,1e-3]",
            "W=[[1,-2,3],\n [4,5,1e-3]],",
        ] {
            let read = parse(&format!("{text} x=2"));
            assert_eq!(
                read,
                Ok(vec![("W".into(), expected.clone()), ("x".into(), 2.0.into())]),
                "{text}"
            );
        }
        let shape = |text: &str| parse(text).unwrap()[0].1.shape().to_string();
        assert_eq!(
            (shape("b=[1;2;3]"), shape("b=[1,2,3]"), shape("b=[7]")),
            ("3x1".into(), "1x3".into(), "1x1".into())
        );
        for (text, said) in [
            ("W=[1,2;3]", "row 2 has 1 numbers, and the first has 2"),
            ("W=[1,b]", "row 1 has \"b\""),
            ("W=[]", "no number"),
            ("W=[1,2", "lacks a closing ]"),
            ("W=[1,inf]", "\"inf\""),
            ("W=@w.csv", "the file w.csv is not read here"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with("W has no value: ") && error.contains(said), "{error}");
        }
        let mut files = Vec::new();
        let read = parse_with("x=@a.csv,y=@\"my b.csv\" z=1", |file| {
            files.push(file.to_owned());
            Ok(1.0.into())
        });
        assert_eq!((read.unwrap().len(), files), (3, vec!["a.csv".to_owned(), "my b.csv".into()]));
    }

    #[test]
    fn a_shape_that_is_none_is_refused() {
        for text in ["W=4", "W=4x", "W=0x3", "W", "W=axb", "W=4x3x2", "=4x3", "W=-1x2"] {
            assert!(matches!(parse_shapes(text), Err(ValuesError::Shape(_))), "{text}");
        }
        assert_eq!(parse_shapes("W=1x2 W=1x2"), Err(ValuesError::ShapeTwice("W".into())));
        assert_eq!(parse_shapes(" "), Ok(Vec::new()));
    }

    #[test]
    fn values_are_read_as_people_type_and_paste_them() {
        let expected = Ok(vec![("x".to_owned(), (-3.0).into()), ("y".to_owned(), 1e-4.into())]);
        for text in [
            "x=-3,y=1e-4",
            "x=-3, y=1e-4",
            "x = -3 , y = 1e-4",
            "x=-3 y=1e-4",
            "x=-3;y=1e-4;",
            "x=-3\ny=1e-4\n",
            "x=-3,\ny=1e-4,",
            " x =\u{2212}3\t y= 1e\u{2212}4",
            "x=\u{2013}3,\u{a0}y=1e-4\r\n",
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
