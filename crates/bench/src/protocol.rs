//! What a peer reads and answers: a process that works when it is told to (`peers/peer.py` is the
//! same protocol in Python).
//!
//! A peer writes one line of JSON when it is ready, a [`Ready`]; then, for each line `run SECONDS`
//! on its standard input, it works for about so long and answers with one line, a [`Window`]. It
//! ends when its input does.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The first line of a peer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Its name and version.
    pub version: String,
    /// The setting it goes on with, the fastest that it has tried.
    pub setting: String,
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

/// Says `ready` and works when it is told to, until standard input ends.
///
/// # Errors
/// A line that is no `run SECONDS`; standard input or output that fails.
pub fn serve(ready: &Ready, mut work: impl FnMut() -> usize) -> anyhow::Result<()> {
    answer(ready)?;
    for line in io::stdin().lines() {
        let line = line?;
        let Some(seconds) = line.strip_prefix("run ") else {
            bail!("expected `run SECONDS`, not `{line}`");
        };
        let seconds = seconds.trim().parse().with_context(|| format!("in `{line}`"))?;
        answer(&Window::measure(seconds, &mut work))?;
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
    fn a_peer_that_tried_nothing_is_ready_too() {
        let ready: Ready = serde_json::from_str(r#"{"version": "a 1", "setting": "b"}"#).unwrap();
        assert!(ready.tried.is_empty());
    }
}
