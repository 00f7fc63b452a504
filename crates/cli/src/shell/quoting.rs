//! Words that a person can copy into a shell, and text that a terminal only shows.

/// A word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./,+=:@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// This program as it was called, for commands that a person is to copy: `chainrule` if it is
/// installed, or the path of the build.
pub fn program() -> String {
    let called = std::env::args().next();
    quoted(&called.unwrap_or_else(|| "chainrule".into()))
}

/// `chainrule train` with these settings, if there is a flag for each.
pub fn train_with<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let words = chainrule_train::config::words(settings)?;
    let words = ["chainrule".into(), "train".into()].into_iter().chain(words);
    Some(words.map(|word: String| quoted(&word)).collect::<Vec<_>>().join(" "))
}

/// A text for a terminal: its control characters are written out, as `\u{1b}`, and do nothing; line
/// breaks and tabs stay.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && !"\n\t".contains(c) {
            true => printable.extend(c.escape_default()),
            false => printable.push(c),
        }
    }
    printable
}
