//! Where CIFAR-10 comes from, and what is shown while it is fetched.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use chainrule_data::fetch::{Progress, Sources};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::shell::verbosity::{Verbosity, shows};

/// CIFAR-10's sources; `CHAINRULE_CIFAR10_URL` names another server of the author's archive, such
/// as a mirror in the house. The archive is held to the same MD5 wherever it comes from.
pub fn sources() -> Sources {
    let mut sources = Sources::default();
    if let Ok(url) = std::env::var("CHAINRULE_CIFAR10_URL") {
        sources.official.url = url;
    }
    sources
}

/// Shows a fetch on standard error: a bar on a terminal, plain lines elsewhere.
#[derive(Default)]
pub struct Terminal {
    stage: Option<Stage>,
}

struct Stage {
    bar: ProgressBar,
    what: String,
    done: u64,
    began: Instant,
}

impl Progress for Terminal {
    fn say(&mut self, line: &str) {
        note!("{line}");
    }

    fn start(&mut self, what: &str, total: Option<u64>) {
        let bar = if std::io::stderr().is_terminal() && shows(Verbosity::Normal) {
            let template = match total {
                Some(_) => {
                    "{msg}\n{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
                }
                None => "{spinner} {msg} ({elapsed})",
            };
            let style = ProgressStyle::with_template(template).expect("the templates are right");
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            bar.set_style(style);
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            match total {
                Some(total) => note!("{what} ({})", HumanBytes(total)),
                None => note!("{what}"),
            }
            ProgressBar::hidden()
        };
        self.stage = Some(Stage { bar, what: what.to_owned(), done: 0, began: Instant::now() });
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(stage) = &mut self.stage {
            stage.done += bytes;
            stage.bar.inc(bytes);
        }
    }

    fn finish(&mut self) {
        if let Some(Stage { bar, what, done, began }) = self.stage.take()
            && !bar.is_hidden()
        {
            bar.finish_and_clear();
            let size = if done > 0 { format!("{} in ", HumanBytes(done)) } else { String::new() };
            note!("{what}: {size}{:.1} s", began.elapsed().as_secs_f64());
        }
    }
}
