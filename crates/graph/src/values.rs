//! Reading the values of the variables: `x=-2,y=5,z=-4`.

use crate::number::is_minus;

/// What is wrong with a list of values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValuesError {
    /// Not of the form NAME=NUMBER.
    #[error("{0:?} is not a value for a variable; write NAME=NUMBER, as in x=-2,y=5")]
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
    /// The same name more than once.
    #[error("{0} is given a value twice")]
    Twice(String),
}

/// Reads `NAME=NUMBER` pairs that are separated by commas, semicolons, blanks or
/// line ends. Blanks around = don't count, and a pasted minus sign (−) is a minus.
///
/// # Errors
/// The first pair that can't be read, or a name that comes twice.
pub fn parse(text: &str) -> Result<Vec<(String, f64)>, ValuesError> {
    let mut values: Vec<(String, f64)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    if text.trim().is_empty() {
        return Ok(values);
    }
    for part in text.split([';', '\n']).filter(|part| !part.trim().is_empty()) {
        let part = part.trim_end();
        for pairs in part.strip_suffix(',').unwrap_or(part).split(',') {
            let mut rest = pairs.trim();
            let form = |rest: &str| ValuesError::Form(rest.to_owned());
            if rest.is_empty() {
                return Err(form(rest));
            }
            while !rest.is_empty() {
                let (name, after) = rest.split_once('=').ok_or_else(|| form(rest))?;
                let (name, after) = (name.trim_end(), after.trim_start());
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                let value = &after[..end];
                if name.is_empty() || value.is_empty() || name.contains(char::is_whitespace) {
                    return Err(form(rest));
                }
                let number = value.replace(is_minus, "-").parse::<f64>().ok();
                let number = number.filter(|number| number.is_finite());
                let number = number.ok_or_else(|| ValuesError::Number {
                    name: name.to_owned(),
                    value: value.to_owned(),
                })?;
                if !seen.insert(name) {
                    return Err(ValuesError::Twice(name.to_owned()));
                }
                values.push((name.to_owned(), number));
                rest = after[end..].trim_start();
            }
        }
    }
    Ok(values)
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
    fn values_are_read_as_people_type_and_paste_them() {
        let expected = Ok(vec![("x".to_owned(), -3.0), ("y".to_owned(), 1e-4)]);
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
