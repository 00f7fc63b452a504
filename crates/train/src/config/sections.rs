//! The sections of the settings, on the page `docs/settings.md` and in `--help`.

/// The sections of the page and of `--help`, each with the first of its settings.
const SECTIONS: [(&str, &str); 6] = [
    ("hidden_dim", "The network"),
    ("optimizer", "The optimizer"),
    ("epochs", "The schedule"),
    ("dropout", "Regularization and augmentation"),
    ("data", "The images"),
    ("seed", "The run"),
];

/// The section that begins with this setting.
pub(super) fn section_from(key: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|(first, _)| *first == key).map(|(_, title)| *title)
}
