//! The test accuracy of several runs: a bar for each, the best at the top.

use crate::chart::{Bar, BarGroup, Bars, SERIES};
use crate::{Error, Run};

/// Draws the test accuracy of each of the `runs`, named by their folders, and how far it is from
/// that of the first, whose bar has a color of its own.
///
/// # Errors
/// [`Error::NoRuns`] for an empty list, [`Error::NoResult`] for a run that has not ended.
///
/// ```
/// use chainrule_report::{Run, outcomes};
///
/// let run = |name: &str, accuracy| Run {
///     name: name.into(),
///     test_accuracy: Some(accuracy),
///     ..Run::default()
/// };
/// let bars = outcomes(&[run("everything", 0.64), run("without-flips", 0.62)])?;
/// assert_eq!(bars.groups[0].bars[1].label, "62.00 %, -2.00");
/// # Ok::<(), chainrule_report::Error>(())
/// ```
pub fn outcomes(runs: &[Run]) -> Result<Bars, Error> {
    let accuracies: Vec<f64> = runs
        .iter()
        .map(|run| run.test_accuracy.ok_or_else(|| Error::NoResult { run: run.name.clone() }))
        .collect::<Result<_, _>>()?;
    let (Some(first), Some(best)) =
        (accuracies.first(), accuracies.iter().copied().reduce(f64::max))
    else {
        return Err(Error::NoRuns);
    };
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by(|&i, &j| accuracies[j].total_cmp(&accuracies[i]));
    let bar = |i: usize| {
        let accuracy = accuracies[i];
        let length = if best > 0.0 { accuracy / best } else { 0.0 };
        let difference = match i {
            0 => String::new(),
            _ => format!(", {:+.2}", 100.0 * (accuracy - first)),
        };
        Bar {
            name: runs[i].name.clone(),
            label: format!("{:.2} %{}{difference}", 100.0 * accuracy, runs[i].with_views()),
            length,
            spread: (length, length),
            ink: SERIES[usize::from(i > 0)],
        }
    };
    let name = match runs.len() {
        1 => runs[0].name.clone(),
        count => format!("{count} runs, and how far each is from {}", runs[0].name),
    };
    let bars = order.into_iter().map(bar).collect();
    Ok(Bars {
        title: "Test accuracy".into(),
        groups: vec![BarGroup { name, bars }],
        ..Bars::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, test_accuracy: Option<f64>) -> Run {
        Run { name: name.into(), test_accuracy, ..Run::default() }
    }

    #[test]
    fn the_best_stands_at_the_top_and_each_says_how_far_it_is_from_the_first_that_was_named() {
        let mut runs = [run("all", Some(0.6)), run("less", Some(0.45)), run("more", Some(0.75))];
        runs[2].settings.insert("tta".into(), "flips".into());
        let bars = outcomes(&runs).unwrap();
        let shown = bars.groups[0].bars.iter();
        let shown: Vec<_> = shown.map(|b| (b.name.as_str(), b.label.as_str(), b.length)).collect();
        let expected = [
            ("more", "75.00 % with flips, +15.00", 1.0),
            ("all", "60.00 %", 0.6 / 0.75),
            ("less", "45.00 %, -15.00", 0.45 / 0.75),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_run_that_has_not_ended_is_named() {
        let error = outcomes(&[run("done", Some(0.5)), run("cut", None)]).unwrap_err();
        assert_eq!(error.to_string(), "run cut has no test accuracy: it has not ended");
        assert!(matches!(outcomes(&[]), Err(Error::NoRuns)));
    }
}
