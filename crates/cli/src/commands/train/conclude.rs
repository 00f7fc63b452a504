//! The last lines of a run: its result, and what to do next.

use std::path::Path;

use chainrule_tensor::kernel::bf16::Multiplier;
use chainrule_tensor::{Kernel, Precision};
use chainrule_train::Summary;

use crate::shell::quoting::{program, quoted};

/// Hidden units in a layer from which on bf16 is named where it was not used and is faster.
const WIDE: usize = 256;

/// Prints the result.
pub fn conclude(summary: &Summary, out: &Path) -> anyhow::Result<()> {
    let folder = out.display();
    if summary.data == "sample" {
        say!(
            "\nTrained on the SAMPLE of 1,000 images, not on CIFAR-10: the accuracy means nothing."
        );
    }
    say!(
        "\nTest accuracy {:.2} %{} (loss {:.4}), of the weights after epoch {}{}.",
        100.0 * summary.test_accuracy,
        summary.test_accuracy_plain.zip(summary.views()).map_or(String::new(), |(plain, views)| {
            format!(" with {views}, {:.2} % without", 100.0 * plain)
        }),
        summary.test_loss,
        summary.best_epoch,
        if summary.validation_accuracy.is_nan() {
            String::new()
        } else {
            let validation = 100.0 * summary.validation_accuracy;
            format!(", which were best on validation ({validation:.2} %)")
        }
    );
    if let Some(n) = summary.duplicates_across {
        let are = if n == 1 { "is" } else { "are" };
        say!(
            "{n} of the test images {are} in the training set, too: the test accuracy says too much."
        );
    }
    say!(
        "{} iteration{} in {:.1} s, {:.0} images/s on {}{} thread{} ({}).",
        summary.iterations,
        if summary.iterations == 1 { "" } else { "s" },
        summary.seconds,
        summary.images_per_second,
        summary.ranks.map_or(String::new(), |ranks| format!("{ranks} ranks of ")),
        summary.threads,
        if summary.threads == 1 { "" } else { "s" },
        summary.kernel
    );
    let bf16 = Kernel::best(Precision::Bf16);
    if would_gain_by_bf16(summary, bf16) {
        say!(
            "This processor multiplies bf16 ({bf16}): --precision bf16 would train this network about {} \
             times as fast.",
            if Multiplier::amx().is_some() { "2" } else { "1.5" }
        );
    }
    say!("Results: {folder}  (report.html, curves.svg, epochs.csv, model.safetensors, ...)");
    let quoted = quoted(&out.to_string_lossy());
    say!("Next:    open {folder}/report.html, or {} eval {quoted}", program());
    Ok(())
}

/// Whether a run in f32 was of a network that `bf16`, the best kernel for that precision, trains faster.
fn would_gain_by_bf16(summary: &Summary, bf16: Kernel) -> bool {
    summary.precision == Precision::F32.to_string()
        && !bf16.emulates()
        && summary.hidden_dim.iter().any(|&width| width >= WIDE)
}
