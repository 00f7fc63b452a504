//! The tables of a run: their columns, what is read back, and going on after a stop.

use std::fs;
use std::path::Path;

use chainrule_runs::records::as_written;
use chainrule_runs::table::{Progress, columns};
use chainrule_runs::{Epoch, Iteration, Run, Summary, Table};

fn step(iteration: u64, loss: f64) -> Iteration {
    Iteration {
        iteration,
        epoch: Some(1),
        loss: as_written(loss),
        learning_rate: Some(0.02),
        images_per_second: Some(1234.5),
        gradient_norm: (iteration > 1).then_some(0.1),
    }
}

/// The columns that results/README.md promises.
#[test]
fn the_columns_that_people_plot_from_have_their_names_and_their_order() {
    let iterations =
        ["iteration", "epoch", "loss", "learning_rate", "images_per_second", "gradient_norm"];
    assert_eq!(columns::<Iteration>(), iterations);
    let folder = tempfile::tempdir().unwrap();
    drop(Table::<Epoch>::create(folder.path(), 2).unwrap());
    assert_eq!(
        fs::read_to_string(folder.path().join("epochs.csv")).unwrap(),
        "epoch,iteration,train_loss,train_accuracy,validation_loss,validation_accuracy,\
         learning_rate,seconds,fc1_update_ratio,fc2_update_ratio\n"
    );
}

#[test]
fn what_was_written_is_read_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let steps = [step(1, 2.9863575123), step(2, f64::NAN), step(3, f64::INFINITY), step(4, 1e-45)];
    let mut table = Table::create(folder.path(), 0).unwrap();
    steps.iter().for_each(|step| table.write(step, &[]).unwrap());
    table.flush().unwrap();
    let read = Table::<Iteration>::read(folder.path(), Progress::Ended).unwrap().records;
    // NaN differs from itself.
    assert_eq!(format!("{read:?}"), format!("{steps:?}"));

    let epoch = Epoch {
        epoch: 1,
        iteration: 704,
        train_loss: as_written(0.1 + 0.2),
        train_accuracy: 1.0 / 3.0,
        validation_loss: f64::NAN,
        validation_accuracy: f64::NAN,
        learning_rate: Some(0.02),
        seconds: Some(1e-9),
    };
    let mut table = Table::create(folder.path(), 2).unwrap();
    table.write(&epoch, &[1e-3, f64::NAN]).unwrap();
    table.flush().unwrap();
    let read = Table::<Epoch>::read(folder.path(), Progress::Ended).unwrap();
    assert_eq!(format!("{:?}", read.records), format!("{:?}", [epoch]));
    let layers: Vec<_> = read.layers.iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(layers, ["fc1", "fc2"]);
    assert_eq!(read.layers[0].values, [1e-3]);
}

#[test]
fn a_table_goes_on_after_the_records_of_the_checkpoint_and_no_other_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Table::create(folder.path(), 0).unwrap();
    table.write(&step(1, 2.0), &[]).unwrap();
    let length = table.sync().unwrap();
    table.write(&step(2, 2.0), &[]).unwrap();
    table.flush().unwrap();
    drop(table);
    let path = Table::<Iteration>::path(folder.path());
    let long = fs::read(&path).unwrap();
    fs::write(&path, [&long[..], b"3,1,0."].concat()).unwrap(); // killed in the middle of a line
    let mut table = Table::<Iteration>::cut_back(folder.path(), length).unwrap();
    table.write(&step(2, 2.0), &[]).unwrap();
    table.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), long);
    for wrong in [length - 1, long.len() as u64 + 1] {
        let error = Table::<Iteration>::cut_back(folder.path(), wrong).err().unwrap().to_string();
        assert!(error.ends_with(&format!("no line ends at byte {wrong}")), "{error}");
    }
}

/// Tables of other programs and of older versions of this one.
#[test]
fn columns_may_stand_in_any_order_and_the_optional_ones_may_be_missing() {
    let read = |text: &str| {
        let path = Path::new("iterations.csv");
        let rows = Table::<Iteration>::read_from(path, text.as_bytes(), Progress::Ended);
        rows.map(|rows| rows.records).map_err(|error| error.to_string())
    };
    let bare = Iteration { iteration: 7, loss: 2.5, ..Iteration::default() };
    assert_eq!(read("loss,mood,iteration\n2.5,good,7\n"), Ok(vec![bare]));
    assert_eq!(read("iteration,loss,gradient_norm\n7,2.5,\n"), Ok(vec![bare]));
    assert_eq!(
        read("iteration,epoch\n"),
        Err("iterations.csv: there is no column `loss`; the header row names iteration, epoch"
            .into())
    );
    assert_eq!(
        read("iteration,loss\n7.5,2.5\n"),
        Err("iterations.csv, record 1 (line 2), column `iteration`: `7.5` is not a whole number"
            .into())
    );
}

#[test]
fn a_run_of_an_older_version_is_still_read() {
    // Its first forty steps; the run is the reference of 2026-11-24, with the keys of that day.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/older-run");
    let run = Run::read(&folder).unwrap();
    assert_eq!((run.epochs.len(), run.iterations.len()), (11, 40));
    assert_eq!(run.setting("optimizer"), Some("sgd"));
    assert_eq!(run.update_ratios.len(), 2);
    assert_eq!(run.best_epoch().unwrap().validation_accuracy, 0.5492);
    assert_eq!(run.setting("kernel"), Some("avx512"));
    let summary = Summary::read(&folder).unwrap().unwrap();
    assert_eq!((summary.test_accuracy, summary.macro_f1), (0.5431, None));
    assert_eq!(run.test_accuracy, Some(summary.test_accuracy));
}

#[test]
fn a_table_of_a_run_that_goes_on_may_be_missing_or_end_in_half_a_line_and_one_that_ended_not() {
    let folder = tempfile::tempdir().unwrap();
    let read =
        |progress| Table::<Iteration>::read(folder.path(), progress).map(|rows| rows.records);
    assert_eq!(read(Progress::Unfinished).unwrap(), []);
    assert!(read(Progress::Unknown).is_err() && read(Progress::Ended).is_err());
    let path = Table::<Iteration>::path(folder.path());
    fs::write(&path, "iteration,loss\n1,2.5\n2,2.").unwrap();
    for (progress, records) in
        [(Progress::Unfinished, 1), (Progress::Unknown, 1), (Progress::Ended, 2)]
    {
        assert_eq!(read(progress).unwrap().len(), records);
    }
}

/// A sweep ranks by what a summary says, and `report` and `plot` show it.
#[test]
fn a_summary_with_an_accuracy_that_is_none_or_a_key_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let older = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/older-run");
    for name in ["config.toml", "epochs.csv", "iterations.csv"] {
        fs::copy(older.join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("summary.json");
    let whole = fs::read_to_string(older.join("summary.json")).unwrap();
    for key in ["test_accuracy", "validation_accuracy", "train_accuracy"] {
        let at = whole.find(&format!("\"{key}\"")).unwrap();
        let end = at + whole[at..].find(',').unwrap();
        fs::write(&path, format!("{}\"{key}\": 99.0{}", &whole[..at], &whole[end..])).unwrap();
        let error = Summary::read(folder.path()).unwrap_err().to_string();
        let wanted = format!("summary.json: `{key}` is 99, not a fraction from 0 to 1");
        assert!(error.ends_with(&wanted), "{error}");
        let twice = format!("\"{key}\": 0.5, \"{key}\"");
        fs::write(&path, whole.replacen(&format!("\"{key}\""), &twice, 1)).unwrap();
        let errors = [
            Summary::read(folder.path()).unwrap_err().to_string(),
            Run::read(folder.path()).unwrap_err().to_string(),
        ];
        let wanted = format!("duplicate field `{key}`");
        assert!(errors.iter().all(|error| error.contains(&wanted)), "{errors:?}");
    }
}
