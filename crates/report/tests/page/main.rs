//! The page of a run, as text and in a browser.

mod browser;
mod subject;

use chainrule_data::Shape;
use chainrule_report::{Confusion, Error, FirstLayer, Report, Run, explanation_page, page};
use subject::{explained, images, report, run};

/// The page of one run about which all is known.
fn whole() -> String {
    let (images, weights) = (images(), vec![0.5; 4 * 48]);
    page(&[report(run("run-001", 1, true), &images, &weights)]).unwrap()
}

/// What is read: markup and scripts taken out, spaces of any kind as one.
fn text_of(page: &str) -> String {
    let body = page.split("<body>").nth(1).unwrap();
    let mut text = String::new();
    for part in body.split('<') {
        if let Some((tag, shown)) = part.split_once('>')
            && !tag.starts_with("script")
        {
            text.push(' ');
            text.push_str(shown);
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_answer_comes_first_and_every_part_is_there() {
    let text = text_of(&whole());
    assert!(text.starts_with("run-001 62.50 % of the 8 test images right"), "{}", &text[..80]);
    for part in [
        "4 hidden units, learning rate 0.1, seed 1",
        "Validation 56.25 % best, after epoch 2",
        "Training 75.00 % with the same weights",
        "Test loss 0.7500",
        "Time 2.6 s 120 steps",
        "Images a second 123,456 on 2 threads",
        "Accuracy training set 75.00 % validation set 56.25 %",
        "Loss log scale one minibatch 0.6308",
        "First layer The weights of each unit as a picture",
        "Most confident mistakes",
        "Least confident correct predictions",
        "Least certain &lt;b&gt;bold&lt;/b&gt; 75.0 %, is it&#39;s &lt;i&gt;7&lt;/i&gt;.png Image Gradient",
        "Adversarial it&#39;s 50.0 % Its change 3 of 255 levels (2.25 would do) Unit 4 −12.5 %",
        "Update ratio log scale fc1 0.001000 fc2 0.003000",
        "Gradient norm log scale one minibatch 1.262",
        "Learning rate log scale learning rate 0.05000",
        "chainrule train --recipe &#39;a b&#39;/config.toml",
        "Where it ran processor &lt;i&gt;",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
}

#[test]
fn figures_of_eight_predictions_are_those_worked_out_by_hand() {
    let text = text_of(&whole());
    for part in [
        // Of three images of the first class two are right, the third is predicted as the second.
        "&lt;script&gt;alert(1)&lt;/script&gt; 2 67 % 1 33 % 0 0 %",
        "cat &amp; &quot;dog&quot; 0 0 % 2 67 % 1 33 %",
        "it&#39;s 1 50 % 0 0 % 1 50 %",
        // Precision, recall, F1, images: 2/3 twice, 1/2 once; mean 11/18.
        "class precision recall F1 images &lt;script&gt;alert(1)&lt;/script&gt; 66.7 % 66.7 % 66.7 % 3",
        "it&#39;s 50.0 % 50.0 % 50.0 % 2 macro mean 61.1 % 61.1 % 61.1 % 8",
        // By confidence: 0.875 and 0.75 and 0.5 are wrong; of the right ones 0.5 is the least.
        "Most confident mistakes it&#39;s 87.5 % is cat &amp; &quot;dog&quot; 12.5 %",
        "Least confident correct predictions &lt;script&gt;alert(1)&lt;/script&gt; 50.0 %",
        // Confidences 0.75, 0.5, 0.75, 0.5, 1, 0.875, 0.5, 0.5: mean 5.375 / 8. By bins of 1/15:
        // 0.5 four times, three of them right: 4/8 (0.75 - 0.5); 0.75 twice, one right:
        // 2/8 (0.75 - 0.5); 0.875, wrong: 1/8 0.875; 1, right: 0.
        "Mean confidence 67.2 %, accuracy 62.5 %: overconfident by 4.7 points",
        "expected calibration error over 15 bins of confidence is 29.69 %",
        "46.7 to 53.3 % 4 50.0 % 50.0 % 75.0 %",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
}

#[test]
fn precision_and_recall_stand_in_their_own_columns() {
    let (images, run) = (images(), run("run-001", 1, true));
    let counts = vec![vec![6, 3, 1], vec![0, 5, 0], vec![4, 2, 0]];
    let confusion = Confusion { classes: ["a", "b", "c"].map(String::from).into(), counts };
    let report = Report { confusion: Some(confusion), ..report(run, &images, &[0.5; 4 * 48]) };
    let text = text_of(&page(&[report]).unwrap());
    // By hand: of b all 5 were predicted as b, and so were 5 others; F1 = 2 5 / (5 + 10). The means
    // are (6/10 + 5/10 + 0) / 3, (6/10 + 1 + 0) / 3 and (6/10 + 2/3 + 0) / 3.
    let rows = "F1 images b 50.0 % 100.0 % 66.7 % 5 a 60.0 % 60.0 % 60.0 % 10 c 0.0 % 0.0 % 0.0 % 6 \
                macro mean 36.7 % 53.3 % 42.2 % 21";
    assert!(text.contains(rows), "{text}");
}

#[test]
fn nothing_in_the_page_asks_for_anything_outside_of_it() {
    let page = whole();
    for outside in ["http:", "https:", "//www", "@import", "url(", "<link rel=\"stylesheet"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for source in page.split("src=\"").skip(1).chain(page.split("href=\"").skip(1)) {
        assert!(source.starts_with("data:") || source.starts_with('#'), "{}", &source[..40]);
    }
}

#[test]
fn a_page_of_pictures_needs_nothing_else_and_no_name_breaks_out_of_it() {
    let page = explanation_page("a & b <i>", &explained().images).unwrap();
    for hostile in ["a & b", "<i>", "<b>bold", "https:", "http:", "url("] {
        assert!(!page.contains(hostile), "{hostile}");
    }
    let text = text_of(&page);
    for part in ["a &amp; b &lt;i&gt; What the network looks at", "SmoothGrad", "How to read them"]
    {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    // The image and five more pictures of it, and a tile.
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 7);
}

#[test]
fn names_from_files_cannot_break_out_of_the_page() {
    let page = whole();
    for hostile in ["<script>alert", "<b>&'", "<i>", "cat & \"dog\"", "'a b'"] {
        assert!(!page.contains(hostile), "{hostile}");
    }
}

#[test]
fn a_wide_and_long_run_stays_below_two_megabytes() {
    let shape = Shape { channels: 3, height: 32, width: 32 };
    // Noise, which nothing can make smaller.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32
    };
    let weights: Vec<f32> = (0..2048 * shape.dim()).map(|_| noise()).collect();
    let images = images();
    let mut run = run("run-001", 1, true);
    let step = run.iterations[0];
    run.iterations = (1..=300_000)
        .map(|iteration| chainrule_report::Iteration {
            iteration,
            loss: f64::from(noise()),
            gradient_norm: Some(f64::from(noise())),
            ..step
        })
        .collect();
    let report = Report {
        first_layer: Some(FirstLayer { weights: &weights, shape }),
        ..report(run, &images, &[])
    };
    let page = page(&[report]).unwrap();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("Of 2,048 units, the 200 with the largest weights"));
}

#[test]
fn a_run_that_has_not_ended_shows_what_there_is() {
    let images = images();
    let text_with = |run: Run| {
        let report = Report {
            first_layer: None,
            predictions: Err("there are no weights <yet>".into()),
            confusion: None,
            set: "validation",
            ..report(run, &images, &[])
        };
        text_of(&page(&[report]).unwrap())
    };
    let text = text_with(run("run-001", 1, false));
    assert!(text.contains("56.25 % of the validation images right so far"), "{text}");
    assert!(text.contains("has not ended: 2 of 2 epochs finished"), "{text}");
    assert!(text.contains("are not shown: there are no weights &lt;yet&gt;"), "{text}");
    assert!(!text.contains("test images right") && text.contains("validation set 56.25 %"));

    let nothing = Run::from_parts(
        std::path::Path::new("run-002"),
        &b""[..],
        &b""[..],
        Some("epochs = 3\n"),
        None,
    );
    let text = text_with(nothing.unwrap());
    assert!(text.contains("no epoch has finished yet"), "{text}");
    assert!(text.contains("No step has been measured yet"), "{text}");
}

#[test]
fn several_runs_are_compared_by_results_curves_and_what_differs() {
    let (images, weights) = (images(), vec![0.5; 4 * 48]);
    let mut better = run("run-002", 2, true);
    better.test_accuracy = Some(0.75);
    let reports =
        [report(run("run-001", 1, true), &images, &weights), report(better, &images, &weights)];
    let html = page(&reports).unwrap();
    let text = text_of(&html);
    for part in [
        "75.00 % of the test images right: seed 2",
        "seed 1 run-001 62.50 % 56.25 % 75.00 % 0.7500 61.11 % 2 29.69 % 120 2.6 s 123,456",
        "Accuracy on validation seed 1 56.25 % seed 2 56.25 %",
        "Settings that differ setting seed 1 run-001 seed 2 run-002 seed 1 2",
        "it&#39;s 50.0 % 50.0 %",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    assert!(
        html.contains("<td><b>75.00\u{a0}%</b></td>") && html.contains("<td>62.50\u{a0}%</td>")
    );
    assert!(matches!(page(&[]), Err(Error::NoRuns)));
}
