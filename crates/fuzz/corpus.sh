#!/usr/bin/env bash
# Keeps the fewest inputs that take every branch that the seeds, the corpus and `just fuzz-guided` found, packed in
# crates/fuzz/corpus/ without the seeds; of a target that has more than 64 KB of them, the shortest. A campaign of
# another machine counts in as target/guided/TARGET/out/NAME, and BLIND inputs of the blind mutator, which takes branches
# that guided campaigns miss: BLIND=10000 crates/fuzz/corpus.sh [TARGET[-LAYER]]
set -euo pipefail
cd "$(dirname "$0")/../.."
for work in target/guided/${1:-*}/; do
    way=$(basename "$work")
    # Those that took a new branch, and of them the fewest that take all of theirs.
    rm -rf "$work/new" "$work/least"
    mkdir -p "$work/new"
    target/afl/fuzz/guided --prepare "$work" ${way/-/ }
    cp "$work"/seeds/* "$work/new"
    number=0
    while read -r file; do
        number=$((number + 1))
        cp "$file" "$work/new/found-$number"
    done < <(find "$work"/out/*/queue -maxdepth 1 -name '*+cov*' 2>/dev/null)
    target/afl/fuzz/guided --blind "$work/new" 0 "${BLIND:-0}" ${way/-/ }
    AFL_NO_UI=1 cargo afl cmin -e -T 1 -i "$work/new" -o "$work/least" -- target/afl/fuzz/guided ${way/-/ } >"$work/cmin.log" 2>&1 ||
        { tail -5 "$work/cmin.log"; continue; }
    rm -f "$work"/least/valid-* "$work"/least/broken-*
    mkdir -p crates/fuzz/corpus
    packed=crates/fuzz/corpus/$way.tar.gz
    all=$(ls "$work/least" | wc -l)
    if [ "$all" = 0 ]; then rm -f "$packed"; echo "$way: the seeds take all"; continue; fi
    keep=$all
    while
        rm -rf "$work/kept" && mkdir "$work/kept"
        number=0
        while read -r _ file; do
            number=$((number + 1))
            cp "$work/least/$file" "$work/kept/$(printf '%04d' "$number")"
        done < <(cd "$work/least" && stat -c '%s %n' -- * | sort -n | head -n "$keep")
        tar --create --sort=name --owner=0 --group=0 --mtime=@0 --directory "$work/kept" --file - $(ls "$work/kept") |
            gzip -9n >"$packed"
        [ "$(stat -c %s "$packed")" -gt 65536 ]
    do
        keep=$((keep * 3 / 4))
    done
    echo "$way: $keep of $all inputs, $(stat -c %s "$packed") bytes"
done
