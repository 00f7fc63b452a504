# Chainrule: every command that a person needs. `just` alone lists them.

# What stands behind a recipe's name reaches the program as it was typed, spaces and all.
set positional-arguments

# The program is built as it is needed, optimized.
chainrule := "cargo run --release --quiet --package chainrule-cli --"

[private]
default:
    @just --list --unsorted

# The first build is said aloud, for it takes some minutes
[private]
built:
    @{{ if chainrule =~ '^cargo' { "test -x target/release/chainrule || cargo build --release --package chainrule-cli" } else { "true" } }}

# Train 3072 -> 100 -> 10 on CIFAR-10, which is fetched if needed; flags are passed on
[group('train')]
train *FLAGS: built
    @{{chainrule}} train "$@"

# Train with five seeds and print the mean and spread of the test accuracy
[group('train')]
seeds *FLAGS:
    {{chainrule}} train --seed 0 --out results/seeds/0 {{FLAGS}}
    {{chainrule}} train --seed 1 --out results/seeds/1 {{FLAGS}}
    {{chainrule}} train --seed 2 --out results/seeds/2 {{FLAGS}}
    {{chainrule}} train --seed 3 --out results/seeds/3 {{FLAGS}}
    {{chainrule}} train --seed 4 --out results/seeds/4 {{FLAGS}}
    grep -h '"test_accuracy":' results/seeds/*/summary.json | awk -F '[:,]' '{ n += 1; s += $2; q += $2 * $2 } END { m = s / n; printf "test accuracy over %d seeds: mean %.4f, standard deviation %.4f\n", n, m, sqrt((q - n * m * m) / (n - 1)) }'

# What each ingredient is worth: every recipe of recipes/ablation, a table, and a chart
[group('train')]
ablation *FLAGS:
    mkdir -p results/ablation
    for recipe in recipes/ablation/*.toml; do {{chainrule}} train --recipe "$recipe" --out "results/ablation/$(basename "$recipe" .toml)" {{FLAGS}}; done
    {{chainrule}} plot --bars results/ablation/* -o results/ablation.svg
    for run in results/ablation/*; do printf '%-24s' "$(basename "$run")"; awk -F '[:,]' '/test_accuracy"|train_accuracy"|validation_accuracy"/ { gsub(/[ "]/, "", $1); printf "%s %.2f   ", $1, 100 * $2 } END { print "" }' "$run/summary.json"; done

# Many runs with different settings, side by side, ranked; again, it goes on: just sweep recipes/sweeps/two-layer.toml
[group('train')]
sweep FILE="recipes/sweeps/two-layer.toml" *FLAGS: built
    @{{chainrule}} sweep "$@"

# Loss and accuracy of a run's best weights: just eval results/run-001
[group('train')]
eval MODEL *FLAGS: built
    @{{chainrule}} eval "$@"

# What a model sees in your own pictures: just predict results/run-001 photo.jpg
[group('train')]
predict MODEL +IMAGES: built
    @{{chainrule}} predict "$@"

# A saved model for other programs: just export results/run-001 onnx model.onnx
[group('train')]
export MODEL FORMAT FILE *FLAGS: built
    @{{chainrule}} export "$@"

# The seeds 0 to N-1 of a recipe, with the same validation images, and their ensemble: just members recipes/deep-plain.toml 8 results/deep
[group('train')]
members RECIPE N OUT *FLAGS: built
    for seed in $(seq 0 $(({{N}} - 1))); do {{chainrule}} train --recipe {{RECIPE}} --seed $seed --split-seed 0 --autoresume --out {{OUT}}/$seed {{FLAGS}}; done
    {{chainrule}} ensemble {{OUT}}/[0-9]* --out {{OUT}}/ensemble

# Several runs as one network, whose scores are the mean of theirs: just ensemble results/seeds/* --out results/ensemble
[group('train')]
ensemble *ARGS: built
    @{{chainrule}} ensemble "$@"

# A model layer by layer, or what a set of images holds: just describe results/run-001; just describe images:photos
[group('train')]
describe WHAT *FLAGS: built
    @{{chainrule}} describe "$@"

# Whether two runs are the same, and if not, where they part
[group('train')]
diff FIRST SECOND *FLAGS: built
    @{{chainrule}} diff "$@"

# Check every derivative against centered differences, in f64
[group('gradcheck')]
gradcheck *FLAGS: built
    @{{chainrule}} gradcheck "$@"

# A formula as a computation graph: just graph '(x+y)*z' --at x=-2,y=5,z=-4
[group('gradcheck')]
graph *ARGS: built
    @{{chainrule}} graph "$@"

# The assignment, worked: computation graphs and a training run, in results/assignment/
[group('train')]
assignment *FLAGS: built
    @ls results/run-*/summary.json >/dev/null 2>&1 || {{chainrule}} train
    @{{chainrule}} assignment "$@"

# Draw the curves of one run, or of several in one picture
[group('plot')]
plot +RUNS: built
    @{{chainrule}} plot "$@"

# A run on one page, report.html in its folder; or several, compared: just report results/run-001
[group('plot')]
report +RUNS: built
    @{{chainrule}} report "$@"

# Get CIFAR-10 into datasets/, and prove it by its checksums
[group('data')]
data *FLAGS: built
    @{{chainrule}} data fetch "$@"

# Compare CIFAR-10 with the official checksums
[group('data')]
verify *FLAGS: built
    @{{chainrule}} data verify "$@"

# Every test
[group('test')]
test *FLAGS:
    cargo test --workspace {{FLAGS}}

# The tests of the kernels and the layers, on every kernel path that this machine has (those of the recipes' bits always take all)
[group('test')]
test-paths:
    CHAINRULE_KERNEL=portable cargo test --package chainrule-nn --package chainrule-train -- --skip a_recipe_that_was_published --skip a_recipe_in_bf16
    if grep -q avx2 /proc/cpuinfo; then CHAINRULE_KERNEL=avx2 cargo test --package chainrule-nn --package chainrule-train -- --skip a_recipe_that_was_published --skip a_recipe_in_bf16; fi

# Every kind of model, exported, in the oldest and the newest onnxruntime and in numpy: the same probabilities to 1e-5
[group('test')]
export-check:
    test -x target/export-old/bin/python || python3 -m venv target/export-old
    target/export-old/bin/python -m pip install --quiet 'onnxruntime==1.17.3' 'onnx==1.16.2' 'numpy<2' safetensors
    test -x target/export/bin/python || python3 -m venv target/export
    target/export/bin/python -m pip install --quiet --upgrade onnx onnxruntime numpy safetensors
    cargo build --release --quiet --package chainrule-cli
    target/export-old/bin/python crates/cli/tests/reference/export_check.py target/release/chainrule
    target/export/bin/python crates/cli/tests/reference/export_check.py target/release/chainrule

# The notebook of problem 4.2: valid, and run from top to bottom its cells print what stood in it
[group('test')]
notebook-check: built
    test -x target/notebook/bin/python || python3 -m venv target/notebook
    target/notebook/bin/python -m pip install --quiet nbformat nbconvert ipykernel
    cargo build --release --quiet --package chainrule-cli
    PATH="$PWD/target/notebook/bin:$PATH" python crates/cli/tests/reference/notebook_check.py target/release/chainrule

# The derivations of graphs as LaTeX, compiled by pdflatex; needs TeX: apt-get install texlive-latex-base
[group('test')]
latex-check:
    pdflatex --version >/dev/null
    cargo test --package chainrule-graph --test latex

# 200 runs killed from their first millisecond to their last, a third of them twice, and resumed with the command that began them: all must be equal
[group('test')]
kills COUNT="200":
    CHAINRULE_KILLS={{COUNT}} cargo test --release --package chainrule-cli --test resume same_bytes -- --nocapture

# Each system call that writes fails once, and the power is cut after each: what came of it, as a table (Linux)
[group('test')]
faults TABLE=(justfile_directory() / "results/faults.md"):
    printf 'What `just faults` found, on %s, %s:\n\n' "$(date -u +%Y-%m-%d)" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" >"{{TABLE}}"
    CHAINRULE_FAULTS="{{TABLE}}" cargo test --package chainrule-cli --test faults -- --test-threads 1

# One run over MPI ranks on this machine: OpenMPI is installed, and ranks are stopped, killed, panic and differ (Debian, Ubuntu)
[group('test')]
mpi-check:
    command -v mpirun >/dev/null && ldconfig -p | grep -q libclang || { sudo="" && test "$(id -u)" = 0 || sudo=sudo; $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends libopenmpi-dev openmpi-bin libclang-dev >/dev/null; }
    cargo clippy --package chainrule-cli --features mpi --all-targets -- -D warnings
    cargo test --package chainrule-cli --features mpi --test ranks -- --test-threads 1

# Sweeps on a real Slurm, installed and started on this machine: a task and the node are killed, and all must end as without it (Debian, Ubuntu)
[group('test')]
slurm-check:
    cargo build --release --quiet --package chainrule-cli
    crates/cli/tests/slurm/check.sh target/release/chainrule

# The published recipes, trained on every kernel path of this machine: are the bits the published ones?
[group('test')]
verify-bits *FLAGS: built
    @{{chainrule}} verify-bits "$@"

# Train with 1, 2, 3, 4 and 7 threads and print the hash of the weights: one for all
[group('test')]
same-bits *FLAGS="--epochs 1":
    rm -rf results/same-bits
    for n in 1 2 3 4 7; do {{chainrule}} train --threads $n --out results/same-bits/$n {{FLAGS}} || exit 1; done
    cd results/same-bits && sha256sum */last.safetensors && test "$(sha256sum */last.safetensors | cut -c 1-64 | uniq | wc -l)" = 1

# An hour of short runs back to back in one process: the memory must stay flat
[group('test')]
soak *FLAGS:
    cargo run --release --quiet --package chainrule-fuzz --bin soak -- {{FLAGS}}

# Every order of events that the memory model allows, of the barrier, the exchange and the stop flag
[group('test')]
loom:
    RUSTFLAGS="--cfg loom" cargo test --release --package chainrule-tensor --lib --target-dir target/loom -- loom_tests

# Mutated files for every reader: just fuzz --inputs 1000000
[group('test')]
fuzz *FLAGS:
    cargo run --release --quiet --package chainrule-fuzz --bin chainrule-fuzz -- {{FLAGS}}

# Inputs that follow the branches of the readers, by AFL++: just fuzz-guided png 10 (all of them, an hour each: just fuzz-guided all 60)
[group('test')]
fuzz-guided TARGET="all" MINUTES="10":
    crates/fuzz/guided.sh {{TARGET}} {{MINUTES}}

# Criterion benchmarks: GEMM, layers, the whole step, a graph of a million gates (three minutes): just bench --bench gemm
[group('bench')]
bench *FLAGS:
    cargo bench --package chainrule-bench --package chainrule-graph {{FLAGS}}

# This machine's peak, and each configuration as a share of what it allows
[group('bench')]
roofline *FLAGS:
    cargo run --release --quiet --package chainrule-bench --bin roofline -- {{FLAGS}}

# What each ingredient costs: the speed of a step with it, as a share of that without
[group('bench')]
ingredients *FLAGS:
    cargo run --release --quiet --package chainrule-bench --bin scaling -- --sweeps ingredients --threads 2 --windows 9 --seconds 0.3 --output results/ingredients.csv {{FLAGS}}

# PyTorch and numpy in a Python of their own (6 GB: torch brings CUDA along)
[group('bench')]
peers:
    test -x target/peers/bin/python || python3 -m venv target/peers
    target/peers/bin/python -m pip install --quiet --requirement crates/bench/peers/requirements.txt

# candle and burn, built for this very processor and held to numpy's results (10 minutes: they are large)
[group('bench')]
rust-peers:
    RUSTFLAGS="-C target-cpu=native" cargo build --release --locked --manifest-path crates/bench/peers/Cargo.toml --target-dir target/rust-peers
    target/rust-peers/release/candle-peer --check
    target/rust-peers/release/burn-peer --check

# Images per second beside PyTorch and numpy, in f32 and each at its best, in turns: a table and a chart; also: just compare --isa avx2; after `just rust-peers`: just compare --peers pytorch,candle,burn
[group('bench')]
compare *FLAGS: peers
    target/peers/bin/python crates/bench/peers/pytorch_peer.py --check
    cargo build --release --quiet --package chainrule-bench --bins
    cargo run --release --quiet --package chainrule-bench --bin compare -- {{FLAGS}}

# This build's step beside another build's, in turns: just compare-builds ../old/target/release/chainrule-bench-step
[group('bench')]
compare-builds PROGRAM *FLAGS:
    cargo build --release --quiet --package chainrule-bench --bins
    peer="$1" && shift && cargo run --release --quiet --package chainrule-bench --bin compare -- --peers "$peer" --seconds 0.7 --output results/compare-builds.csv "$@"

# Seconds of training until 45 %, 50 % and 53 % of the test set, beside PyTorch's in f32 and at its best
[group('bench')]
until *FLAGS: peers
    cargo run --release --quiet --package chainrule-bench --bin until -- {{FLAGS}}

# The same weights here and in PyTorch: every prediction, one training step, twenty of them
[group('bench')]
parity *FLAGS: peers
    cargo build --release --quiet --package chainrule-cli
    target/peers/bin/python crates/bench/peers/parity.py {{FLAGS}}

# Speed against threads, and cost against batch, width, depth and images: a table and a chart
[group('bench')]
scaling *FLAGS:
    cargo run --release --quiet --package chainrule-bench --bin scaling -- {{FLAGS}}

# What every change must pass: the lockfile, formatting, lints, tests
[group('ci')]
ci: locked fmt lint test

# Cargo.lock is the one that the manifests ask for: nothing is built from another version
[group('ci')]
locked:
    cargo metadata --locked --format-version 1 >/dev/null

# Everything is built from nothing where there is no network: no build script needs one (Linux)
[group('ci')]
offline:
    cargo fetch --locked
    rm -rf target/offline
    unshare --map-root-user --net cargo check --workspace --locked --offline --target-dir target/offline

# Licenses, sources and, where their database can be reached, advisories of the dependencies; needs cargo-deny: cargo install cargo-deny --locked
[group('ci')]
deny:
    cargo deny check bans licenses sources
    if cargo deny fetch db; then cargo deny check advisories; else echo "The database of advisories cannot be reached: not checked."; fi

# The packages as they would be published, each built from its own archive
[group('ci')]
package *FLAGS:
    cargo package --workspace --exclude chainrule-bench --exclude chainrule-fuzz --locked {{FLAGS}}

# A Python wheel that brings `chainrule`, in target/wheels: pip install target/wheels/chainrule-*.whl
[group('release')]
wheel:
    test -x target/maturin/bin/maturin || python3 -m venv target/maturin
    target/maturin/bin/python -m pip install --quiet 'maturin>=1.9,<2'
    target/maturin/bin/maturin build --release --out target/wheels

# An archive for this machine's system, in target/archives: program, completions, manual pages, README, license
[group('release')]
release:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release --locked --package chainrule-cli
    program=target/release/chainrule
    name="chainrule-$("$program" --version | cut -d ' ' -f 2)-$(rustc -vV | sed -n 's/^host: //p')"
    folder="target/archives/$name"
    rm -rf "$folder"
    mkdir -p "$folder/completions"
    cp "$program" README.md CHANGELOG.md LICENSE "$folder"
    for shell in bash zsh fish elvish powershell; do "$program" completions "$shell" >"$folder/completions/chainrule.$shell"; done
    "$program" man --output "$folder/man" >/dev/null
    tar -C target/archives -czf "$folder.tar.gz" "$name"
    echo "$folder.tar.gz"

# Builds with the oldest Rust that Cargo.toml promises; needs rustup
[group('ci')]
minimum-rust:
    rustup toolchain install --profile minimal "$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
    cargo "+$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)" check --workspace --locked

# Formatting
[group('ci')]
fmt:
    cargo fmt --all -- --check

# Lints, warnings being errors; the documentation builds without one too
[group('ci')]
lint:
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
