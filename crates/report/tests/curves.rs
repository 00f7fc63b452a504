//! Folders of runs as they may be found, good and bad, drawn or refused.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use chainrule_report::{Error, Run, curves, write_curves};
use tempfile::TempDir;

const EPOCHS: &str = "epoch,iteration,train_loss,train_accuracy,validation_loss,\
                      validation_accuracy,learning_rate,seconds\n";
const ITERATIONS: &str = "iteration,epoch,loss,learning_rate,images_per_second\n";

/// A run's folder with these records in its tables.
fn folder(epochs: &str, iterations: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("epochs.csv"), format!("{EPOCHS}{epochs}")).unwrap();
    fs::write(folder.path().join("iterations.csv"), format!("{ITERATIONS}{iterations}")).unwrap();
    folder
}

fn svg_of(folder: &TempDir) -> String {
    curves(&[Run::read(folder.path()).unwrap()]).unwrap().svg()
}

fn refusal(folder: &TempDir) -> String {
    let text = Run::read(folder.path()).unwrap_err().to_string();
    let shown = format!("{}/", folder.path().display());
    text.replace(&shown, "")
}

/// Width and height out of a PNG's header.
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

const TWO_EPOCHS: &str = "0,0,2.303,0.1,2.302,0.11,0.03,0\n\
                          1,100,1.7,0.41,1.72,0.39,0.03,1.2\n\
                          2,200,1.5,0.48,1.6,0.45,0.024,2.4\n";
const THREE_STEPS: &str = "1,1,2.3,0.03,60000\n2,1,2.2,0.03,60000\n3,1,2.1,0.03,60000\n";

#[test]
fn a_finished_run_gets_both_pictures_with_its_result_and_settings_in_the_title() {
    let folder = folder(TWO_EPOCHS, THREE_STEPS);
    let config = "hidden_dim = [100, 50]\nlearning_rate = 0.03\nseed = 7\n";
    fs::write(folder.path().join("config.toml"), config).unwrap();
    fs::write(folder.path().join("summary.json"), r#"{"test_accuracy": 0.5312}"#).unwrap();
    write_curves(folder.path()).unwrap();

    let svg = fs::read_to_string(folder.path().join("curves.svg")).unwrap();
    for text in [
        "53.1 % of the test images right: 100 + 50 hidden units",
        "learning rate 0.03, seed 7",
        "best on validation: 45.0 % after epoch 2",
        "training set",
        "validation set",
        "accuracy (%)",
        "loss",
        "iteration",
        "prefers-color-scheme:dark",
    ] {
        assert!(svg.contains(text), "`{text}` is not in the picture");
    }
    let (width, height) = png_size(&folder.path().join("curves.png"));
    assert_eq!(width, 2 * 1120);
    assert!(svg.contains(&format!("width=\"1120\" height=\"{}\"", height / 2)));
}

#[test]
fn the_title_tells_only_what_the_run_has_made_use_of() {
    let svg_with = |config: &str| {
        let folder = folder(TWO_EPOCHS, THREE_STEPS);
        fs::write(folder.path().join("config.toml"), config).unwrap();
        svg_of(&folder)
    };
    let all = "learning_rate = 0.01\nlr_decay = 0.7\nmomentum = 0.9\n";
    assert!(svg_with(all).contains("learning rate 0.01, decay 0.7, momentum 0.9"));
    let others = svg_with(&format!("{all}schedule = \"cosine\"\noptimizer = \"adam\"\n"));
    assert!(others.contains("learning rate 0.01, schedule cosine, optimizer adam"));
}

/// The numbers that these attributes of an element have.
fn numbers<const N: usize>(element: &str, names: [&str; N]) -> [f64; N] {
    names.map(|name| {
        let at = element.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        element[at..].split('"').next().unwrap().parse().unwrap()
    })
}

#[test]
fn a_point_stands_where_its_numbers_say() {
    let svg = svg_of(&folder("0,0,1,0.0,1,0.0,0.1,0\n1,10,1,0.5,1,0.25,0.1,1\n", ""));
    let circles: Vec<_> = svg
        .lines()
        .filter(|line| line.starts_with("<circle"))
        .map(|line| numbers(line, ["cx", "cy"]))
        .collect();
    // The legend's, two in the accuracy chart, two in the loss chart.
    assert_eq!(circles.len(), 5, "{circles:?}");
    let ([left, zero], [right, half]) = (circles[1], circles[2]);
    // The numbers along the axes: 0 and 50 % on the left, 0 and 10 below.
    let label = |text: &str| {
        let lines = svg.lines().filter(|line| line.ends_with(&format!(">{text}</text>")));
        lines.map(|line| numbers(line, ["x", "y", "font-size"])).collect::<Vec<_>>()
    };
    let middle = |[_, y, size]: [f64; 3]| y - 0.36 * size;
    assert!(
        (zero - middle(label("0")[0])).abs() < 0.1 && (half - middle(label("50")[0])).abs() < 0.1
    );
    let below: Vec<_> = label("10").into_iter().filter(|[_, y, _]| *y > zero).collect();
    assert!((right - below[0][0]).abs() < 0.1 && right > left, "{right} {below:?}");
    // Squares, of which the legend has one: a quarter lies half as high as a half.
    let squares: Vec<_> = svg
        .lines()
        .filter(|line| line.starts_with("<rect") && !line.contains("fill"))
        .map(|line| numbers(line, ["y", "height"]))
        .map(|[top, height]| top + height / 2.0)
        .collect();
    assert!(((zero - squares[2]) / (zero - half) - 0.5).abs() < 0.01, "{zero} {half} {squares:?}");
}

#[test]
fn a_run_that_was_stopped_before_its_first_step_is_still_a_picture() {
    let svg = svg_of(&folder("", ""));
    assert!(svg.contains("no epoch has been measured yet"));
    assert!(svg.contains("no loss has been measured yet"));
    svg_of(&folder("0,0,2.303,0.1,2.302,0.11,0.03,0\n", ""));
    svg_of(&folder("0,0,2.303,0.1,2.302,0.11,0.03,0\n1,1,2,0.2,2,0.2,0.03,1\n", "1,1,2.3,0.1,9\n"));
}

#[test]
fn a_hundred_thousand_iterations_stay_a_small_file_that_keeps_the_spike() {
    let mut steps = String::new();
    for i in 1..=100_000_u32 {
        let noise = f64::from(i.wrapping_mul(2_654_435_761) >> 16) / 65536.0 / 10.0;
        let loss = if i == 54_321 { 9.0 } else { 1.2 + f64::from(i).recip() + noise };
        writeln!(steps, "{i},{},{loss},0.03,60000", i / 700).unwrap();
    }
    let mut epochs = String::new();
    for i in 0..=140 {
        writeln!(epochs, "{i},{},1.5,0.5,1.6,0.45,0.03,{i}", i * 700).unwrap();
    }
    let folder = folder(&epochs, &steps);
    let svg = svg_of(&folder);
    assert!(svg.len() < 150_000, "{} bytes", svg.len());
    // The spike is the highest point of the pale line.
    let pale = svg
        .lines()
        .filter(|line| line.starts_with("<path") && line.contains("#B9C6D3"))
        .max_by_key(|line| line.len())
        .unwrap();
    let path = pale.split('"').nth(1).unwrap();
    let heights: Vec<f64> =
        path.split(['M', 'L']).filter_map(|point| point.split_once(' ')?.1.parse().ok()).collect();
    let least = heights.iter().copied().fold(f64::INFINITY, f64::min);
    let mut sorted = heights.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    assert!(median - least > 200.0, "spike at {least}, the others around {median}");
}

#[test]
fn a_loss_that_blew_up_is_drawn_to_that_point_and_the_picture_says_where() {
    let steps = "1,1,2.3,0.9,1\n2,1,40.5,0.9,1\n3,1,1e30,0.9,1\n4,1,inf,0.9,1\n5,1,NaN,0.9,1\n";
    let epochs = "0,0,2.3,0.1,2.3,0.1,0.9,0\n1,5,NaN,0.1,inf,NaN,0.9,1\n";
    let folder = folder(epochs, steps);
    let svg = svg_of(&folder);
    assert!(svg.contains("not finite at iteration 4"));
    assert!(svg.contains("loss (log scale)"));
    assert!(!svg.contains("NaN"), "a coordinate is not a number");
    write_curves(folder.path()).unwrap();
}

#[test]
fn a_number_that_is_none_is_refused_by_file_record_and_column() {
    let bad = TWO_EPOCHS.replace("0.39", "39 per cent");
    assert_eq!(
        refusal(&folder(&bad, THREE_STEPS)),
        "epochs.csv, record 2 (line 3), column `validation_accuracy`: `39 per cent` is not a \
         number"
    );
    let bad = THREE_STEPS.replace("2.1,", "two,");
    assert_eq!(
        refusal(&folder(TWO_EPOCHS, &bad)),
        "iterations.csv, record 3 (line 4), column `loss`: `two` is not a number"
    );
    let bad = THREE_STEPS.replace("2,1,", "-2,1,");
    assert_eq!(
        refusal(&folder(TWO_EPOCHS, &bad)),
        "iterations.csv, record 2 (line 3), column `iteration`: `-2` is not a whole number"
    );
}

#[test]
fn an_accuracy_in_per_cent_is_not_taken_for_a_fraction() {
    let bad = TWO_EPOCHS.replace("0.45", "45");
    assert!(refusal(&folder(&bad, "")).ends_with("`45` is not a fraction from 0 to 1"));
}

#[test]
fn a_finished_runs_file_that_was_cut_short_is_refused_and_not_drawn_as_if_whole() {
    let folder = folder(TWO_EPOCHS, &THREE_STEPS[..THREE_STEPS.len() - 12]);
    fs::write(folder.path().join("summary.json"), "{}").unwrap();
    assert_eq!(
        refusal(&folder),
        "iterations.csv, record 3 (line 4): 3 fields, but the header row has 5; was the file \
         cut short?"
    );
}

#[test]
fn a_run_that_goes_on_is_drawn_up_to_the_line_that_is_half_written() {
    let last = THREE_STEPS.trim_end().rfind('\n').unwrap() + 1;
    // Wherever the line breaks off: in the middle of a number too, which still looks like one.
    for end in last..THREE_STEPS.len() {
        let folder = folder(TWO_EPOCHS, &THREE_STEPS[..end]);
        assert_eq!(Run::read(folder.path()).unwrap().iterations.len(), 2, "at byte {end}");
    }
    let whole = folder(TWO_EPOCHS, THREE_STEPS);
    assert_eq!(Run::read(whole.path()).unwrap().iterations.len(), 3);
    // A line in the middle is not half-written but wrong.
    let folder = folder(TWO_EPOCHS, &THREE_STEPS.replace("2.2,", ""));
    assert!(refusal(&folder).contains("record 2 (line 3): 4 fields"));
}

#[test]
fn a_run_that_was_killed_before_its_tables_had_a_line_has_no_rows() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.toml"), "seed = 0\n").unwrap();
    fs::write(folder.path().join("epochs.csv"), "").unwrap();
    let run = Run::read(folder.path()).unwrap();
    assert!(run.epochs.is_empty() && run.iterations.is_empty());
    assert!(curves(&[run]).unwrap().svg().contains("no epoch has been measured yet"));
    fs::write(folder.path().join("summary.json"), "{}").unwrap();
    fs::write(folder.path().join("iterations.csv"), "").unwrap();
    assert!(refusal(&folder).starts_with("epochs.csv: the file is empty"));
}

#[test]
fn a_missing_file_column_or_header_is_named() {
    let whole = folder(TWO_EPOCHS, THREE_STEPS);
    let iterations = whole.path().join("iterations.csv");
    fs::write(&iterations, "step,loss\n1,2\n").unwrap();
    assert_eq!(
        refusal(&whole),
        "iterations.csv: there is no column `iteration`; the header row names step, loss"
    );
    fs::write(&iterations, "").unwrap();
    assert!(refusal(&whole).starts_with("iterations.csv: the file is empty"));
    fs::write(&iterations, b"iteration,loss\n1,\xff\n").unwrap();
    assert!(refusal(&whole).starts_with("iterations.csv: "));
    fs::remove_file(&iterations).unwrap();
    assert!(refusal(&whole).starts_with("iterations.csv: cannot be read: "));
}

#[test]
fn a_summary_or_a_configuration_that_is_broken_is_named() {
    let whole = folder(TWO_EPOCHS, THREE_STEPS);
    let summary = whole.path().join("summary.json");
    fs::write(&summary, "{\"test_accuracy\": 53.1}").unwrap();
    assert_eq!(
        refusal(&whole),
        "summary.json: `test_accuracy` is 53.1, not a fraction from 0 to 1"
    );
    fs::write(&summary, "{").unwrap();
    assert!(refusal(&whole).starts_with("summary.json: not a JSON file: "));
    fs::remove_file(&summary).unwrap();
    fs::write(whole.path().join("config.toml"), "seed = \n").unwrap();
    assert!(refusal(&whole).starts_with("config.toml: not a TOML file: "));
}

#[test]
fn text_from_a_file_cannot_break_out_of_the_picture() {
    let whole = folder(TWO_EPOCHS, THREE_STEPS);
    fs::write(whole.path().join("config.toml"), "data = '<script>&\"'\n").unwrap();
    let svg = svg_of(&whole);
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;&amp;"));
}

#[test]
fn no_run_and_a_name_without_a_kind_of_picture_are_refused() {
    assert!(matches!(curves(&[]), Err(Error::NoRuns)));
    let whole = folder(TWO_EPOCHS, THREE_STEPS);
    let figure = curves(&[Run::read(whole.path()).unwrap()]).unwrap();
    let error = figure.save(&whole.path().join("curves.jpeg")).unwrap_err();
    assert!(error.to_string().ends_with("the name of a picture must end in .svg or .png"));
    assert!(figure.save(&whole.path().join("nowhere/curves.svg")).is_err());
}
