//! Reading the values of the variables: `x=-2,y=5,z=-4`.

/// What is wrong with a list of values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValuesError {
    /// Not of the form NAME=NUMBER.
    #[error("{0:?} is no value for a variable; write NAME=NUMBER, as in x=-2,y=5")]
    Form(String),
    /// The right side isn't a finite number.
    #[error(
        "{value:?} is no finite number; the value of {name} must be one, such as 5, -0.5 or 1e-3"
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

/// Reads `NAME=NUMBER` pairs that are separated by commas. Blanks don't count.
///
/// ```
/// let values = chainrule_graph::values::parse("x=-2, y=1e-3").unwrap();
/// assert_eq!(values, [("x".to_string(), -2.0), ("y".to_string(), 1e-3)]);
/// ```
///
/// # Errors
/// The first pair that can't be read, or a name that comes twice.
pub fn parse(text: &str) -> Result<Vec<(String, f64)>, ValuesError> {
    let mut values: Vec<(String, f64)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    if text.trim().is_empty() {
        return Ok(values);
    }
    for pair in text.split(',') {
        let pair = pair.trim();
        let form = || ValuesError::Form(pair.to_owned());
        let (name, value) = pair.split_once('=').ok_or_else(form)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || value.is_empty() {
            return Err(form());
        }
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| ValuesError::Number {
            name: name.to_owned(),
            value: value.to_owned(),
        })?;
        if !seen.insert(name) {
            return Err(ValuesError::Twice(name.to_owned()));
        }
        values.push((name.to_owned(), number));
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
        assert!(message("x=1,").contains("NAME=NUMBER"));
        assert!(message("=1").contains("NAME=NUMBER"));
        assert_eq!(parse("x=1,x=2"), Err(ValuesError::Twice("x".into())));
        assert_eq!(parse(" "), Ok(Vec::new()));
    }
}
