//! Tries the ways to use a framework and serves the fastest, in the protocol of `peer.py`.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::{Way, Work};

const TRIAL_SECONDS: f64 = 0.7;

/// Does a piece of the work and returns the number of images in it.
type Piece = Box<dyn FnMut() -> Result<usize>>;

/// Serves until the input ends. `piece` makes a prepared network into work that can be repeated.
///
/// A way that fails on this machine is left out, and the first line says why.
pub fn serve<T: ?Sized>(
    version: &str,
    ways: &[Way<T>],
    work: &Work,
    piece: impl Fn(Box<T>) -> Piece,
) -> Result<()> {
    let mut tried = Map::new();
    let mut best: Option<(Piece, f64, &str)> = None;
    for &(name, prepare) in ways {
        let trial = || {
            let mut piece = piece(prepare(work)?);
            measure(&mut piece, TRIAL_SECONDS / 2.0)?; // the first calls allocate
            let measured = measure(&mut piece, TRIAL_SECONDS)?;
            anyhow::Ok((piece, measured.images_per_second()))
        };
        match trial() {
            Ok((piece, speed)) => {
                tried.insert(name.to_owned(), json!(speed.round() as u64));
                if best.as_ref().is_none_or(|&(_, best_speed, _)| speed > best_speed) {
                    best = Some((piece, speed, name));
                }
            }
            Err(error) => drop(tried.insert(name.to_owned(), json!(error.to_string()))),
        }
    }
    let Some((mut piece, _, setting)) = best else {
        bail!("no setting worked: {}", Value::Object(tried));
    };
    say(&json!({"version": version, "setting": setting, "tried": tried}))?;
    for line in io::stdin().lines() {
        let line = line?;
        let Some(seconds) = line.strip_prefix("run ") else {
            bail!("the one command is `run SECONDS`, not `{line}`");
        };
        let seconds = seconds.trim().parse().with_context(|| format!("in `{line}`"))?;
        let measured = measure(&mut piece, seconds)?;
        say(&json!({
            "images_per_second": measured.images_per_second(),
            "images": measured.images,
            "seconds": measured.seconds,
        }))?;
    }
    Ok(())
}

struct Measured {
    images: usize,
    seconds: f64,
}

impl Measured {
    fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds
    }
}

/// Repeats a piece for about so many seconds.
fn measure(piece: &mut Piece, seconds: f64) -> Result<Measured> {
    let (start, mut images) = (Instant::now(), 0);
    loop {
        let passed = start.elapsed().as_secs_f64();
        if passed >= seconds {
            return Ok(Measured { images, seconds: passed });
        }
        images += piece()?;
    }
}

/// One line, sent at once.
fn say(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
