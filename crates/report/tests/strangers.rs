//! Runs that no trainer of ours has left.

use std::path::Path;

use chainrule_report::{Run, curves};

#[test]
fn the_greatest_and_the_least_loss_that_a_table_may_hold_are_drawn() {
    let epochs = "epoch,iteration,train_loss,train_accuracy,validation_loss,validation_accuracy\n\
                  0,0,3e38,0,-3e38,0\n";
    let iterations = "iteration,loss\n1,3e38\n2,-3e38\n3,1e-45\n";
    let tables = (epochs.as_bytes(), iterations.as_bytes());
    let run = Run::from_parts(Path::new("run"), tables.0, tables.1, None, None).unwrap();
    assert!(curves(&[run]).unwrap().svg().ends_with("</svg>\n"));
}
