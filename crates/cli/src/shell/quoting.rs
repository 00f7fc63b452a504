//! Words that a person can copy into a shell.

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
