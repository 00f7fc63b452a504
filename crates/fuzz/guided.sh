#!/usr/bin/env bash
# Coverage-guided fuzzing with AFL++, on stable Rust: just fuzz-guided [TARGET] [MINUTES] [LAYER]
#
# Without a target, each in turn, raw and by its last layer, MINUTES each. An input that does harm lies in
# target/guided/TARGET/out/default/crashes or hangs; one line a campaign is added to
# target/guided/campaigns.csv. Needs cargo-afl: cargo install cargo-afl --locked && cargo afl config --build
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:-all} minutes=${2:-10} layer=${3:-}
program=target/afl/fuzz/guided
cargo afl build --quiet --locked --profile fuzz --package chainrule-fuzz --features guided --bin guided --target-dir target/afl

campaign() { # TARGET [LAYER]
    local work="target/guided/$1${2:+-$2}" field
    mkdir -p "$work"
    "$program" --prepare "$work" "$@"
    local resume=(-i "$work/seeds")
    if [ -d "$work/out/default/queue" ]; then resume=(-i -); fi
    AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_FAST_CAL=1 \
        cargo afl fuzz "${resume[@]}" -o "$work/out" -x "$work/words.dict" -V "$((minutes * 60))" -t 2000 -m 3000 \
        -- "$program" "$@" >"$work/log" 2>&1 || { tail -20 "$work/log"; return 1; }
    field() { sed -n "s/^$1 *: //p" "$work/out/default/fuzzer_stats"; }
    local line="$1,${2:-},$(date -u +%F),$(field run_time),$(field execs_done),$(field edges_found),$(field saved_crashes),$(field saved_hangs)"
    if [ ! -e target/guided/campaigns.csv ]; then
        echo "target,layer,date,seconds,executions,edges,crashes,hangs" >target/guided/campaigns.csv
    fi
    echo "$line" | tee -a target/guided/campaigns.csv
}

if [ "$target" = all ]; then
    "$program" --ways | while read -r way; do campaign $way; done
else
    campaign "$target" $layer
fi
