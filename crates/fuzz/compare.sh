#!/usr/bin/env bash
# Blind against guided: crates/fuzz/compare.sh TARGET [EXECUTIONS] [LAYER]
#
# A guided campaign of so many executions begins from the seeds alone, without the corpus; then as many inputs of the
# blind mutator of `just fuzz` are tried, from the same seeds. Says how many edges each took, by afl-showmap. Needs
# what crates/fuzz/guided.sh needs.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1 executions=${2:-100000} layer=${3:-} chunk=20000
program=target/afl/fuzz/guided
cargo afl build --quiet --locked --profile fuzz --package chainrule-fuzz --features guided --bin guided --target-dir target/afl

work=target/compare/$target${layer:+-$layer}
rm -rf "$work" && mkdir -p "$work/blind" "$work/start"
"$program" --prepare "$work" "$target" $layer
cp "$work"/seeds/valid-* "$work"/seeds/broken-* "$work/start"
export AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_FAST_CAL=1
cargo afl fuzz -i "$work/start" -o "$work/out" -x "$work/words.dict" -E "$executions" -t 2000 -m 3000 \
    -- "$program" "$target" $layer >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
executions=$(sed -n 's/^execs_done *: //p' "$work/out/default/fuzzer_stats")

edges() { # FOLDER: the numbers of the edges that its inputs took
    cargo afl showmap -q -e -C -t 5000 -m 3000 -i "$1" -o "$work/map" -- "$program" "$target" $layer >/dev/null 2>&1
    cut -d: -f1 "$work/map"
}
edges "$work/out/default/queue" | sort -u >"$work/guided.edges"
for ((first = 0; first < executions; first += chunk)); do
    last=$((first + chunk < executions ? first + chunk : executions))
    rm -rf "$work/blind" && mkdir "$work/blind"
    "$program" --blind "$work/blind" "$first" "$last" "$target" $layer
    edges "$work/blind"
done | sort -u >"$work/blind.edges"
count() { comm "$1" "$work/blind.edges" "$work/guided.edges" | wc -l; }
rm -rf "$work/blind"
echo "$target $layer: $executions executions, edges: blind $(wc -l <"$work/blind.edges"), guided $(wc -l <"$work/guided.edges"), blind alone $(count -23), guided alone $(count -13)"
