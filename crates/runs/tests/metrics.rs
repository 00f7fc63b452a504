//! Precision, recall and F1 beside scikit-learn's, and `metrics.csv`.

use chainrule_runs::{ClassMetrics, Confusion, Metrics, Table, table::Progress};
use serde::Deserialize;

/// Written by `reference/metrics.py` with scikit-learn 1.9.1.
#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    counts: Vec<Vec<u64>>,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<u64>,
    #[serde(rename = "macro")]
    means: [f64; 3],
    balanced_accuracy: f64,
}

fn cases() -> Vec<Case> {
    let text = include_str!("reference/metrics.json");
    serde_json::from_str::<Reference>(text).unwrap().cases
}

fn confusion(case: &Case) -> Confusion {
    let classes = (0..case.counts.len()).map(|class| format!("class {class}")).collect();
    Confusion { classes, counts: case.counts.clone() }
}

#[test]
fn each_figure_is_scikit_learns_also_for_classes_that_are_never_predicted_or_have_no_image() {
    let close = |found: f64, expected: f64, what: &str| {
        assert!((found - expected).abs() <= 1e-12, "{what}: {found} for {expected}");
    };
    for case in cases() {
        let found = Metrics::of(&confusion(&case));
        for (i, class) in found.classes.iter().enumerate() {
            let what = format!("{}, class {i}", case.name);
            close(class.precision, case.precision[i], &what);
            close(class.recall, case.recall[i], &what);
            close(class.f1, case.f1[i], &what);
            assert_eq!(class.support, case.support[i], "{what}");
        }
        let [precision, recall, f1] = case.means;
        close(found.macro_precision, precision, &case.name);
        close(found.macro_recall, recall, &case.name);
        close(found.macro_f1, f1, &case.name);
        close(found.balanced_accuracy, case.balanced_accuracy, &case.name);
    }
}

#[test]
fn a_confusion_matrix_and_its_metrics_are_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases() {
        let mut confusion = confusion(&case);
        confusion.classes[0] = "a,b \"quoted\"".into();
        confusion.write(folder.path()).unwrap();
        assert_eq!(Confusion::read(folder.path()).unwrap(), Some(confusion.clone()));
        let metrics = Metrics::of(&confusion);
        metrics.write(folder.path()).unwrap();
        let rows = Table::<ClassMetrics>::read(folder.path(), Progress::Ended).unwrap();
        assert_eq!(rows.records, metrics.classes);
    }
    let text = std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    assert_eq!(text.lines().next(), Some("class,precision,recall,f1,support"));
}
