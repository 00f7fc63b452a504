//! `chainrule train --check`: whether a network is worth a long run.

use std::process::ExitCode;

use chainrule_nn::gradcheck::Verdict;
use chainrule_train::check::{Findings, USUAL_RATIOS};
use chainrule_train::{Config, Data};

use super::gradcheck;

/// Checks the network of these settings and prints the findings.
pub fn run(config: &Config, data: &Data, json: bool) -> anyhow::Result<ExitCode> {
    let findings = chainrule_train::check(config, data, |step| note!("{step}"))?;
    if json {
        say!("{}", serde_json::to_string_pretty(&as_json(&findings))?);
    } else {
        print(&findings)?;
    }
    Ok(if findings.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(findings: &Findings) -> serde_json::Value {
    let Findings { initial_loss, by_heart, gradient, updates } = findings;
    let ratio = |(i, &ratio): (usize, &f64)| {
        serde_json::json!({
            "layer": format!("fc{}", i + 1), "ratio": ratio, "usual": USUAL_RATIOS.contains(&ratio)
        })
    };
    serde_json::json!({
        "passed": findings.passed(),
        "initial_loss": {
            "expected": initial_loss.expected,
            "tiny_last_layer": initial_loss.tiny,
            "actual": initial_loss.actual,
            "passed": initial_loss.passed(),
        },
        "by_heart": {
            "images": by_heart.images,
            "contradictory": by_heart.contradictory,
            "steps": by_heart.steps,
            "learning_rate": by_heart.learning_rate,
            "accuracy": by_heart.accuracy,
            "first_loss": by_heart.first_loss,
            "last_loss": by_heart.last_loss,
            "passed": by_heart.passed(),
        },
        "gradient": gradient.iter().map(gradcheck::as_json).collect::<Vec<_>>(),
        "updates": {
            "steps": updates.steps,
            "learning_rate": updates.learning_rate,
            "ratios": updates.ratios.iter().enumerate().map(ratio).collect::<Vec<_>>(),
            "passed": updates.diverged.is_none(),
        },
    })
}

fn told(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

fn print(findings: &Findings) -> anyhow::Result<()> {
    let Findings { initial_loss, by_heart, gradient, updates } = findings;
    say!("Initial loss: {}", told(initial_loss.passed()));
    say!("  ln(classes)                 {:.4}", initial_loss.expected);
    say!("  with a tiny last layer      {:.4}", initial_loss.tiny);
    say!("  as the network starts       {:.4}", initial_loss.actual);
    if !initial_loss.passed() {
        say!(
            "  The first scores are far too large: try a smaller --weight-scale, or leave it out."
        );
    } else if initial_loss.actual > 1.01 * initial_loss.expected {
        say!("  The weights start so large that the first scores lie apart; that is no mistake.");
    }

    let images = by_heart.images;
    say!("\n{images} images learned by heart: {}", told(by_heart.passed()));
    say!(
        "  {:.0} % right after {} steps at learning rate {}, loss {:.4} from {:.4}",
        100.0 * by_heart.accuracy,
        by_heart.steps,
        by_heart.learning_rate,
        by_heart.last_loss,
        by_heart.first_loss
    );
    if !by_heart.passed() {
        if by_heart.contradictory == 0 {
            say!("  Any network can learn so few images by heart; {}.", by_heart.advice());
        } else {
            say!("  {} of them: {}.", by_heart.contradictory, by_heart.advice());
        }
    }

    let passed = gradient.iter().all(|row| row.verdict != Verdict::Differs);
    say!("\nGradient in f64, as in training, against centered differences: {}", told(passed));
    gradcheck::print(gradient)?;

    say!(
        "\nSize of a step beside the weights, after {} steps, at learning rate {:.3e}: {}",
        updates.steps,
        updates.learning_rate,
        if updates.diverged.is_some() { "FAILED" } else { "for information" }
    );
    for (i, ratio) in updates.ratios.iter().enumerate() {
        let remark = if USUAL_RATIOS.contains(ratio) {
            ""
        } else if ratio > USUAL_RATIOS.end() {
            "  warning: large; is the learning rate too high?"
        } else {
            "  warning: small; is the learning rate too low?"
        };
        say!("  fc{:<4} {ratio:.2e}{remark}", i + 1);
    }
    match &updates.diverged {
        Some(diverged) => say!("  {diverged}: try a smaller --learning-rate"),
        None => say!("  About 1e-3 is usual."),
    }
    say!("\n{}", if findings.passed() { "All checks passed." } else { "Not all checks passed." });
    Ok(())
}
