//! A run that is killed, stopped or moved, and goes on: the files are those of a run that never was.

mod support;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::{content, same};

/// A run of some hundred steps, with an odd number of them between two checkpoints.
const FLAGS: &str = "--data sample --epochs 12 --hidden-dim 30 --batch-size 16 --checkpoint-every 37 \
                     --threads 1";

/// A run that goes on until something happens to it.
const LONG: &str = "--data sample --epochs 100 --hidden-dim 30 --batch-size 16 --threads 1";

fn chainrule(flags: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"));
    command.env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:1/").env("PATH", "");
    command.arg("train").args(flags.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn train(out: &Path, flags: &str) -> Output {
    chainrule(&format!("{FLAGS} {flags}")).arg("--out").arg(out).output().unwrap()
}

fn resume(out: &Path, flags: &str) -> Output {
    chainrule(flags).arg("--resume").arg(out).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn succeeds(output: Output) {
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Kills a run after `life`, if it still lives then.
fn kill_after(mut run: Child, life: Duration) {
    std::thread::sleep(life);
    run.kill().unwrap();
    run.wait().unwrap();
}

/// So many runs are killed; `CHAINRULE_KILLS` asks for more.
fn kills() -> u32 {
    std::env::var("CHAINRULE_KILLS").map_or(8, |number| number.parse().expect("a number"))
}

/// Every setting that has a state of its own, or random numbers.
const EVERYTHING: &str = "--norm batch --activation gelu --dropout 0.2 --mixup 0.3 \
                          --label-smoothing 0.1 --optimizer adam --weight-decay 0.01 \
                          --learning-rate 0.003 --ema-decay 0.9 --schedule plateau --step-epochs 2 \
                          --patience 5 --clip-norm 1 --flip --shift 2 --cutout 8";

#[test]
fn a_run_that_is_killed_at_any_moment_and_resumed_ends_with_the_same_bytes() {
    killed_runs_end_with_the_same_bytes("", kills());
}

#[test]
fn a_run_with_every_ingredient_is_resumed_to_the_same_bytes() {
    killed_runs_end_with_the_same_bytes(EVERYTHING, 3.max(kills() / 4));
}

fn killed_runs_end_with_the_same_bytes(flags: &str, kills: u32) {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let began = Instant::now();
    succeeds(train(&whole, flags));
    let life = began.elapsed();
    let (mut twice, mut nothing, mut unbegun) = (0, 0, 0);
    for number in 0..kills {
        // Golden-ratio steps fall evenly over the run's life, whatever their number; every fourth
        // falls into its first tenth, before the first step.
        let moment = |n: u32| {
            let part = if n % 4 == 3 { 0.1 } else { 1.0 };
            life.mul_f64(part * (f64::from(n) * 0.618_033_988_75).fract())
        };
        let out = dir.path().join(format!("killed-{number}"));
        // One command begins the run and resumes it.
        let command = |threads: u32| {
            let mut command = chainrule(&format!("{FLAGS} {flags} --threads {threads}"));
            command.arg("--autoresume").arg("--out").arg(&out);
            command
        };
        kill_after(command(1).spawn().unwrap(), moment(number));
        if !out.join("config.toml").exists() {
            nothing += 1;
        } else if !out.join("checkpoint.safetensors").exists() {
            unbegun += 1;
        }
        if number % 3 == 0 {
            twice += 1;
            kill_after(command(1 + number % 4).spawn().unwrap(), moment(number + 1).mul_f64(0.5));
        }
        succeeds(command(1).output().unwrap());
        same(&whole, &out, &format!("run {number}, killed after {:?}", moment(number)));
        let left: Vec<_> =
            std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
        std::fs::remove_dir_all(&out).unwrap();
    }
    eprintln!(
        "{kills} runs killed over {life:?}, {twice} of them twice, {nothing} before their settings \
         were written and {unbegun} before their first checkpoint: {kills} equal"
    );
}

/// `--resume` too, of a run that had no time for more than its settings.
#[test]
fn a_run_that_was_killed_before_its_images_were_read_is_resumed_by_its_folder_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, out) = (dir.path().join("whole"), dir.path().join("killed"));
    succeeds(train(&whole, "--epochs 1"));
    let killed_in_time = (0..50).any(|_| {
        let _ = std::fs::remove_dir_all(&out);
        let run = chainrule(&format!("{FLAGS} --epochs 1")).arg("--out").arg(&out).spawn();
        let began = Instant::now();
        while !out.join("config.toml").exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "the run did not begin");
            std::thread::yield_now();
        }
        kill_after(run.unwrap(), Duration::ZERO);
        // What it writes of its images comes later.
        !std::fs::read_to_string(out.join("config.toml")).unwrap().contains("[provenance]")
    });
    assert!(killed_in_time, "the settings are written before the images are read");
    succeeds(resume(&out, ""));
    same(&whole, &out, "killed while its images were read");
}

fn autoresume(out: &Path, flags: &str) -> Output {
    train(out, &format!("--autoresume {flags}"))
}

#[test]
fn the_command_of_a_job_queue_begins_once_and_ends_at_once_when_the_run_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    // What a killed process may leave is no obstacle.
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join(".lock"), "process 1").unwrap();
    std::fs::write(out.join(".config.toml.unfinished"), "hidden_di").unwrap();
    succeeds(autoresume(&out, "--epochs 1"));
    let whole = content(&out);
    let summary = std::fs::read_to_string(out.join("summary.json")).unwrap();
    let accuracy: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let accuracy = 100.0 * accuracy["test_accuracy"].as_f64().unwrap();
    let ends_at_once = |what: &str| {
        // Other threads and checkpoints are no other run.
        let output = autoresume(&out, "--epochs 1 --threads 2 --checkpoint-every 5");
        assert!(output.status.success(), "{what}: {}", stderr(&output));
        let said =
            format!("The run in {} is finished: test accuracy {accuracy:.2} %.\n", out.display());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), said, "{what}");
        assert!(whole == content(&out), "{what}");
        assert_eq!(std::fs::read_to_string(out.join("summary.json")).unwrap(), summary, "{what}");
    };
    ends_at_once("finished");
    let output = autoresume(&out, "--epochs 1 --json");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), summary);
    // A picture that is missing is drawn.
    std::fs::remove_file(out.join("curves.svg")).unwrap();
    succeeds(autoresume(&out, "--epochs 1"));
    assert!(whole == content(&out), "the picture");
    let summary = std::fs::read_to_string(out.join("summary.json")).unwrap();
    // The checkpoint is not needed any more.
    std::fs::remove_file(out.join("checkpoint.safetensors")).unwrap();
    let output = autoresume(&out, "--epochs 1");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(out.join("summary.json")).unwrap(), summary);
    assert!(whole == content(&out), "without its checkpoint");
    // Without validation images the summary has no accuracy of them.
    let out = dir.path().join("unvalidated");
    for _ in 0..2 {
        succeeds(autoresume(&out, "--epochs 1 --validation 0"));
    }
}

#[test]
fn a_job_queue_with_other_settings_is_refused_with_both_values_whatever_state_the_run_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let (finished, begun, unbegun, other) = (
        dir.path().join("finished"),
        dir.path().join("begun"),
        dir.path().join("unbegun"),
        dir.path().join("other"),
    );
    succeeds(train(&finished, "--epochs 1"));
    for (out, files) in
        [(&begun, &["checkpoint.safetensors", "config.toml"][..]), (&unbegun, &["config.toml"])]
    {
        std::fs::create_dir(out).unwrap();
        for file in files {
            std::fs::copy(finished.join(file), out.join(file)).unwrap();
        }
    }
    let names = |out: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(out).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for out in [&finished, &begun, &unbegun] {
        let before = names(out);
        for (flags, differences) in [
            ("--epochs 1 --learning-rate 0.5", "learning_rate is 0.5, and was 0.01"),
            ("--epochs 1 --seed 3 --flip", "flip is true, and was false; seed is 3, and was 0"),
            ("--epochs 2", "epochs is 2, and was 1"),
            ("--epochs 1 --clip-norm 2", "clip_norm is 2.0, and was none"),
            ("--epochs 1 --precision bf16", r#"precision is "bf16", and was "f32""#),
            ("--epochs 1 --data-dir x --data cifar10 --seed 1", "seed is 1, and was 0"),
        ] {
            let output = autoresume(out, flags);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{}: {flags}: {said}", out.display());
            assert!(said.contains("has other settings: ") && said.contains(differences), "{said}");
            assert!(said.contains("--out names another folder"), "{said}");
            assert_eq!(before, names(out), "{flags}");
        }
    }
    // A folder that holds something else.
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.tex"), "precious").unwrap();
    let output = autoresume(&other, "");
    assert!(stderr(&output).contains("already exists and is not empty"), "{}", stderr(&output));
    assert_eq!(names(&other).len(), 1);
    // Images that are not to be had leave no folder behind that would be refused the next time.
    let none = dir.path().join("none");
    let output = chainrule("--data images:nowhere --autoresume --out").arg(&none).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!none.exists());
}

#[test]
fn a_finished_run_goes_on_with_more_epochs_as_if_they_had_been_asked_for_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, grown) = (dir.path().join("whole"), dir.path().join("grown"));
    // Without a schedule that depends on the number of epochs.
    succeeds(train(&whole, "--lr-decay 0.7"));
    succeeds(train(&grown, "--lr-decay 0.7 --epochs 5 --threads 3"));
    succeeds(resume(&grown, "--epochs 12 --threads 1"));
    same(&whole, &grown, "5 epochs, then 12");
    // Once more, with nothing left to do.
    succeeds(resume(&grown, ""));
    same(&whole, &grown, "resumed when it was finished");
    let output = resume(&grown, "--epochs 3");
    assert!(stderr(&output).contains("epochs is 3, and epoch 12 has begun"), "{}", stderr(&output));
    same(&whole, &grown, "refused");
}

#[test]
fn a_run_that_began_with_avx2_goes_on_with_avx512_to_the_same_bytes() {
    if "avx512".parse::<chainrule_tensor::Isa>().is_err() {
        println!("this processor lacks AVX-512: skipped");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (one, both) = (dir.path().join("one"), dir.path().join("both"));
    let with = |kernel: &str, flags: &str, out: &Path| {
        let run = chainrule(flags).env("CHAINRULE_KERNEL", kernel).arg(out).output().unwrap();
        succeeds(run);
    };
    with("avx512", &format!("{FLAGS} --lr-decay 0.7 --out"), &one);
    with("avx2", &format!("{FLAGS} --lr-decay 0.7 --epochs 5 --out"), &both);
    with("avx512", "--epochs 12 --resume", &both);
    let (one, both) = (content(&one), content(&both));
    for name in ["iterations.csv", "epochs.csv", "confusion.csv", "weights.png"] {
        assert!(one[name] == both[name], "{name} differs");
    }
    let mut command = chainrule("--epochs 13 --resume");
    let output = command.env("CHAINRULE_KERNEL", "portable").arg(dir.path().join("both")).output();
    let refusal = stderr(&output.unwrap());
    assert!(refusal.contains("which round differently"), "{refusal}");
}

/// A run with the default schedule, a cosine, was promised more epochs and then
/// refused them.
#[test]
fn a_finished_cosine_run_is_given_a_new_cycle_and_says_that_it_is_not_the_longer_run() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["once", "killed", "again", "longer"].map(|name| dir.path().join(name));
    let [once, killed, again, longer] = &paths;
    let rates = |out: &Path| {
        let text = std::fs::read_to_string(out.join("iterations.csv")).unwrap();
        let rate = |line: &str| line.split(',').nth(3).unwrap().parse::<f64>().unwrap();
        text.lines().skip(1).map(rate).collect::<Vec<_>>()
    };
    succeeds(train(once, "--epochs 5"));
    let first = rates(once);
    let output = resume(once, "");
    assert!(
        stderr(&output).contains("more --epochs resume it with a new cycle"),
        "{}",
        stderr(&output)
    );
    let output = resume(once, "--epochs 12");
    let said = "this is not the run that had 12 epochs from the beginning";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
    succeeds(output);
    // What was trained stays, and the added epochs are a cosine of their own from the same rate.
    let all = rates(once);
    assert_eq!(all[..first.len()], first);
    let steps = first.len() / 5;
    let cosine = |p: f64| 0.005 * (1.0 + (std::f64::consts::PI * p).cos());
    for (i, rate) in all[first.len()..].iter().enumerate() {
        assert!((rate - cosine(i as f64 / (7 * steps) as f64)).abs() < 1e-12, "step {i}: {rate}");
    }
    let text = |out: &Path, name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert!(text(once, "config.toml").contains("cycles = [5]"));
    assert!(text(once, "summary.json").replace(char::is_whitespace, "").contains("\"cycles\":[5]"));

    // Killed in its first cycle and given more epochs only then, and killed again.
    succeeds(train(killed, "--epochs 5"));
    std::fs::remove_dir_all(killed).unwrap();
    let run = chainrule(&format!("{FLAGS} --epochs 5")).arg("--out").arg(killed).spawn().unwrap();
    while !killed.join("checkpoint.safetensors").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_after(run, Duration::from_millis(20));
    let run = chainrule("--epochs 12").arg("--resume").arg(killed).spawn().unwrap();
    while !text(killed, "config.toml").contains("cycles = [5]") {
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_after(run, Duration::from_millis(20));
    succeeds(resume(killed, "--epochs 12"));
    same(once, killed, "extended before its end, and killed twice");

    // The file of settings repeats it from the beginning; 12 epochs at once are another run.
    let recipe = once.join("config.toml");
    let repeated = chainrule("--recipe").arg(&recipe).arg("--out").arg(again).output();
    succeeds(repeated.unwrap());
    same(once, again, "repeated by its file of settings");
    succeeds(train(longer, ""));
    assert_ne!(rates(longer), all);
    let output = resume(longer, "--epochs 30 --schedule linear");
    assert!(
        stderr(&output).contains("schedule is \"linear\", and was \"cosine\""),
        "{}",
        stderr(&output)
    );
}

/// Its report showed the test accuracy of the weights that it had before.
#[test]
fn a_run_that_was_given_more_epochs_has_no_result_until_their_end() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let [result, earlier] = ["summary.json", "summary.earlier.json"].map(|name| out.join(name));
    succeeds(train(&out, "--epochs 1"));
    let run = chainrule("--epochs 40").arg("--resume").arg(&out).spawn().unwrap();
    while !earlier.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_after(run, Duration::from_millis(1));
    assert!(!result.exists() && earlier.exists());
    let mut report = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"));
    succeeds(report.arg("report").arg(&out).output().unwrap());
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!page.contains("test images right"), "a result of other weights");
    succeeds(resume(&out, ""));
    assert!(result.exists() && !earlier.exists());
    succeeds(resume(&out, ""));
    assert!(result.exists() && !earlier.exists(), "a run that is complete stays so");
    // An edit of the settings is no silence.
    let config = out.join("config.toml");
    let edited = std::fs::read_to_string(&config).unwrap().replace("reg = 0.008", "reg = 0.5");
    std::fs::write(&config, edited).unwrap();
    let said = stderr(&resume(&out, ""));
    assert!(said.contains("reg is 0.5, and was 0.008 in the checkpoint"), "{said}");
}

#[test]
fn resuming_with_another_setting_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    succeeds(train(&out, "--max-steps 20"));
    for (flags, difference) in [
        ("--learning-rate 0.5", "learning_rate is 0.5, and was 0.01"),
        ("--seed 3 --hidden-dim 7", "hidden_dim is [7], and was [30]; seed is 3, and was 0"),
        ("--max-steps 30", "max_steps is 30, and was 20"),
        ("--epochs 30", "it ended after max_steps = 20, and more epochs add no step"),
        ("--no-shuffle", "shuffle is false, and was true"),
        ("--checkpoint-every 0", "checkpoint_every is 0"),
    ] {
        let output = resume(&out, flags);
        assert_eq!(output.status.code(), Some(1), "{flags}");
        assert!(stderr(&output).contains(difference), "{flags}: {}", stderr(&output));
    }
    let output = resume(&out, "");
    assert!(
        stderr(&output).contains("complete: it ended after max_steps = 20"),
        "{}",
        stderr(&output)
    );
    let output = chainrule("--learning-rate 0.5 --resume").arg(dir.path()).output().unwrap();
    assert!(stderr(&output).contains("there is no run to resume"), "{}", stderr(&output));
}

#[test]
fn a_checkpoint_with_a_flipped_bit_is_refused_and_a_shorter_table_too() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    succeeds(train(&out, "--max-steps 20"));
    let path = out.join("checkpoint.safetensors");
    let good = std::fs::read(&path).unwrap();
    for at in (8..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let output = resume(&out, "");
        assert_eq!(output.status.code(), Some(1), "byte {at}");
        assert!(stderr(&output).contains("checkpoint.safetensors: "), "{}", stderr(&output));
    }
    std::fs::write(&path, &good).unwrap();
    let table = out.join("iterations.csv");
    let lines = std::fs::read(&table).unwrap();
    std::fs::write(&table, &lines[..lines.len() - 1]).unwrap();
    let output = resume(&out, "");
    assert!(
        stderr(&output).contains("iterations.csv: the table does not match the checkpoint"),
        "{}",
        stderr(&output)
    );
    std::fs::write(&table, [&lines[..], b"21,1,2.3"].concat()).unwrap();
    succeeds(resume(&out, ""));
    assert!(std::fs::read(&table).unwrap() == lines, "what came after the checkpoint is cut off");
}

#[cfg(unix)]
#[test]
fn a_signal_stops_with_a_checkpoint_and_the_second_run_is_told_who_holds_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    succeeds(chainrule(LONG).arg("--out").arg(&whole).output().unwrap());
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let out = dir.path().join(signal);
        let run = chainrule(LONG).arg("--out").arg(&out).spawn().unwrap();
        let began = Instant::now();
        while !out.join("checkpoint.safetensors").exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "the run did not begin");
            std::thread::sleep(Duration::from_millis(2));
        }
        let other = resume(&out, "");
        let holder = format!("is being written to by process {}", run.id());
        assert!(stderr(&other).contains(&holder), "{}", stderr(&other));
        let other = chainrule(LONG).arg("--autoresume").arg("--out").arg(&out).output().unwrap();
        assert_eq!(other.status.code(), Some(1));
        assert!(stderr(&other).contains(&holder), "{}", stderr(&other));
        let kill = Command::new("/bin/kill").args(["-s", signal, &run.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{signal}: {}", stderr(&output));
        assert!(stderr(&output).contains("chainrule train --resume"), "{signal}");
        assert!(!out.join("summary.json").exists());
        succeeds(resume(&out, ""));
        same(&whole, &out, signal);
    }
}

/// Runs a shell script with a file system of 8 MB of its own at `$DISK`, where the machine allows
/// one to be made.
#[cfg(target_os = "linux")]
fn on_a_small_disk(script: &str, dir: &Path) -> Option<Output> {
    let disk = dir.join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let sh = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("mount -t tmpfs -o size=8m tmpfs \"$DISK\" && {script}"));
        command.env("DISK", &disk).env("OUT", dir.join("out"));
        command.env("CHAINRULE", assert_cmd::cargo::cargo_bin!("chainrule")).output()
    };
    if !sh("true").is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine allows no file system of one's own");
        return None;
    }
    Some(sh(script).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_ends_the_run_with_a_sentence_and_a_checkpoint_that_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "{{ \"$CHAINRULE\" train {LONG} --out $DISK/run >/dev/null 2>$DISK.said & }}
         while ! test -s $DISK/run/checkpoint.safetensors; do sleep 0.01; done
         dd if=/dev/zero of=$DISK/ballast bs=64k 2>/dev/null
         wait $!; echo \"exit code $?\" >>$DISK.said; cat $DISK.said >&2
         rm $DISK/ballast
         \"$CHAINRULE\" train --resume $DISK/run >/dev/null 2>&1 && cp -r $DISK/run $OUT"
    );
    let Some(output) = on_a_small_disk(&script, dir.path()) else { return };
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    for part in [
        "No space left on device",
        "the checkpoint of iteration ",
        "goes on from there",
        "exit code 1",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let whole = dir.path().join("whole");
    succeeds(chainrule(LONG).arg("--out").arg(&whole).output().unwrap());
    same(&whole, &dir.path().join("out"), "a full disk");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_read_only_and_a_folder_that_vanishes_end_a_run_with_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        format!("mount -o remount,ro $DISK && \"$CHAINRULE\" train {LONG} --out $DISK/run");
    if let Some(output) = on_a_small_disk(&script, dir.path()) {
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot create") && said.contains("Read-only"), "{said}");
    }
    let out = dir.path().join("vanishes");
    let run = chainrule(LONG).arg("--out").arg(&out).spawn().unwrap();
    while !out.join("checkpoint.safetensors").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    while std::fs::remove_dir_all(&out).is_err() {} // the run may write into it meanwhile
    let output = run.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].contains("vanishes"), "{said}");
}

#[test]
fn a_run_whose_training_is_complete_stays_so_whatever_becomes_of_its_pictures_and_tables() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    succeeds(train(&out, "--epochs 1"));
    let whole = content(&out);
    let block = |name: &str| {
        // A folder that holds something is no file that could be written over.
        std::fs::remove_file(out.join(name)).unwrap();
        std::fs::create_dir_all(out.join(name).join("taken")).unwrap();
    };
    for (name, sentence) in [
        ("curves.svg", "the run is complete, but not all of its pictures were written: "),
        ("metrics.csv", " is complete, its result is in summary.json, but "),
    ] {
        block(name);
        for gone in ["summary.json", "report.html"] {
            std::fs::remove_file(out.join(gone)).unwrap();
        }
        let output = resume(&out, "");
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        let line = error.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(line.contains(sentence) && line.contains(name), "{line}");
        assert!(line.contains("train --resume "), "{line}");
        assert!(out.join("summary.json").exists(), "{name}");
        if name == "curves.svg" {
            assert!(out.join("report.html").exists(), "the other pictures are there");
            assert!(String::from_utf8(output.stdout).unwrap().contains("Test accuracy"));
        }
        std::fs::remove_dir_all(out.join(name)).unwrap();
        succeeds(resume(&out, ""));
        assert!(out.join(name).is_file() && whole == content(&out), "{name}");
    }
}
