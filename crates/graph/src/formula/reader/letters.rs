//! Which letters a name has, and what is written high.

/// Whether a name may begin with it.
pub(super) fn begins_name(c: char) -> bool {
    c == '_' || c.is_alphabetic() && in_name(c)
}

/// Whether a name may hold it.
pub(super) fn in_name(c: char) -> bool {
    (c == '_' || c.is_alphanumeric()) && !is_superscript(c)
}

/// What is written high: a name doesn't hold it.
pub(super) fn is_superscript(c: char) -> bool {
    c == 'ᵀ' || is_digit_above(c)
}

/// A digit or a minus of an exponent that is written high.
pub(super) fn is_digit_above(c: char) -> bool {
    matches!(c, '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁻')
}

/// The length of a `.T` or `ᵀ` that stands here.
pub(super) fn transposes(rest: &str) -> Option<usize> {
    let suffix = ["ᵀ", ".T"].into_iter().find(|suffix| rest.starts_with(suffix))?;
    let behind = rest[suffix.len()..].chars().next();
    (!behind.is_some_and(in_name)).then_some(suffix.len())
}

/// A word for a message, cut where it would fill the screen.
pub(super) fn shorten(word: &str) -> String {
    const LONGEST: usize = 24;
    match word.char_indices().nth(LONGEST) {
        Some((byte, _)) => format!("{}...", &word[..byte]),
        None => word.to_owned(),
    }
}
