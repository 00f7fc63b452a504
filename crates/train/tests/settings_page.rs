//! `docs/settings.md` says what the settings are.

use std::path::Path;

use chainrule_train::Config;
use chainrule_train::config::page;

/// `UPDATE_DOCS=1 cargo test -p chainrule-train --test settings_page` writes the tables anew.
#[test]
fn the_page_of_settings_tells_every_setting_with_its_default_as_the_program_has_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let made = page(&text);
    for key in Config::keys() {
        assert!(made.contains(&format!("\n| `{key}` | ")), "no table of the page has {key}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, made).unwrap();
    } else {
        assert!(text == made, "docs/settings.md is not up to date: see the comment of this test");
    }
}
