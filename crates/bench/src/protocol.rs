//! What a peer reads and answers: a process that works when it is told to (`peers/peer.py` is the
//! same protocol in Python).
//!
//! A peer writes one line of JSON when it is ready, a [`Ready`]; then, for each line `run SECONDS`
//! on its standard input, it works for about so long and answers with one line, a [`Window`]. It
//! ends when its input does. `run SECONDS best` lets it work at its fastest precision instead of
//! f32; it is asked only of a peer whose [`Ready`] names one.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The first line of a peer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Its name and version.
    pub version: String,
    /// The fastest setting of f32 that it has tried.
    pub setting: String,
    /// The fastest setting of any precision, where that is not the one of f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
    /// What each setting reached, in images a second, or why it failed.
    #[serde(default)]
    pub tried: Map<String, Value>,
}

/// What was done in a window of time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Window {
    /// The speed.
    pub images_per_second: f64,
    /// Images trained on, or classified.
    pub images: usize,
    /// The time they took.
    pub seconds: f64,
}

impl Window {
    /// Repeats `work`, which returns the number of images it did, for about `seconds`.
    pub fn measure(seconds: f64, mut work: impl FnMut() -> usize) -> Window {
        let (start, mut images) = (Instant::now(), 0);
        loop {
            images += work();
            let passed = start.elapsed().as_secs_f64();
            if passed >= seconds {
                return Window {
                    images_per_second: images as f64 / passed,
                    images,
                    seconds: passed,
                };
            }
        }
    }
}

/// What a peer is told to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// For about how long.
    pub seconds: f64,
    /// At the fastest precision, and not in f32.
    pub best: bool,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}{}", self.seconds, if self.best { " best" } else { "" })
    }
}

impl FromStr for Run {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Run> {
        let words: Vec<_> = line.split_whitespace().collect();
        let (seconds, best) = match words.as_slice() {
            ["run", seconds] => (seconds, false),
            ["run", seconds, "best"] => (seconds, true),
            _ => bail!("expected `run SECONDS` or `run SECONDS best`, not `{line}`"),
        };
        let seconds = seconds.parse().with_context(|| format!("in `{line}`"))?;
        Ok(Run { seconds, best })
    }
}

/// Says `ready` and works when it is told to, until standard input ends. `work` is told whether it
/// is to be at the fastest precision, and returns the number of images it did.
///
/// # Errors
/// A line that is no [`Run`]; standard input or output that fails.
pub fn serve(ready: &Ready, mut work: impl FnMut(bool) -> usize) -> anyhow::Result<()> {
    answer(ready)?;
    for line in io::stdin().lines() {
        let Run { seconds, best } = line?.parse()?;
        answer(&Window::measure(seconds, || work(best)))?;
    }
    Ok(())
}

/// One line, sent at once.
fn answer(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(value)?)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_what_was_done_and_ends_after_its_time() {
        let mut calls = 0;
        let window = Window::measure(0.0, || {
            calls += 1;
            64
        });
        assert_eq!((calls, window.images), (1, 64));
        let speed = window.images as f64 / window.seconds;
        assert_eq!(window.images_per_second, speed);
    }

    #[test]
    fn a_run_is_read_as_it_is_written_and_asks_for_f32_in_the_words_of_older_peers() {
        let (f32, best) = (Run { seconds: 0.5, best: false }, Run { seconds: 2.0, best: true });
        assert_eq!((f32.to_string(), best.to_string()), ("run 0.5".into(), "run 2 best".into()));
        for run in [f32, best] {
            assert_eq!(run.to_string().parse::<Run>().unwrap(), run);
        }
        for line in ["", "run", "run 1 f32", "walk 1", "run soon", "run 1 best now"] {
            assert!(line.parse::<Run>().is_err(), "{line}");
        }
    }

    #[test]
    fn a_peer_that_tried_nothing_is_ready_too() {
        let ready: Ready = serde_json::from_str(r#"{"version": "a 1", "setting": "b"}"#).unwrap();
        assert!(ready.tried.is_empty() && ready.best.is_none());
        assert_eq!(serde_json::to_string(&ready).unwrap().find("best"), None);
    }
}
