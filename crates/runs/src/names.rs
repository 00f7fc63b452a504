//! Other and older names of settings.
//!
//! They stay readable: in recipes, sweeps, `config.toml` and checkpoints, and as flags, where
//! the field has them as an `alias`.

use toml::Value;

/// Other names, each with the name of the setting.
const ALIASES: [(&str, &str); 10] = [
    ("optimiser", "optimizer"),
    ("normalise", "normalize"),
    ("average", "ema_decay"),
    ("watch", "detect_anomaly"),
    ("test_flips", "tta"),
    ("lr", "learning_rate"),
    ("l2", "reg"),
    ("max_grad_norm", "clip_norm"),
    ("val_size", "validation"),
    ("val", "validation"),
];

/// The setting's name, of `key` or of the alias `key`.
pub fn canonical(key: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name)
}

/// A setting under its current name, and its value in current form.
pub fn canonical_entry(key: &str, value: Value) -> (&str, Value) {
    match (canonical(key), value) {
        // Formerly a boolean, `test_flips`.
        ("tta", Value::Boolean(flips)) => ("tta", if flips { "flips" } else { "none" }.into()),
        entry => entry,
    }
}

/// The other names of a setting.
pub fn aliases(name: &str) -> impl Iterator<Item = &'static str> {
    ALIASES.iter().filter(move |(_, meant)| *meant == name).map(|(alias, _)| *alias)
}
