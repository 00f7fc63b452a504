#!/usr/bin/env bash
# Keeps the fewest inputs that take every branch that `just fuzz-guided` found, packed in crates/fuzz/corpus/;
# of a target that has more than 16 KB of them, the shortest.
set -euo pipefail
cd "$(dirname "$0")/../.."
for work in target/guided/*/; do
    way=$(basename "$work")
    [ -d "$work/out/default/queue" ] || continue
    # Those that took a new branch, and of them the fewest that take all of theirs.
    rm -rf "$work/new" "$work/least"
    mkdir -p "$work/new"
    find "$work/out/default/queue" -maxdepth 1 -name '*+cov*' -exec cp -t "$work/new" {} +
    AFL_NO_UI=1 cargo afl cmin -e -T 1 -i "$work/new" -o "$work/least" -- target/afl/fuzz/guided ${way/-/ } >"$work/cmin.log" 2>&1 ||
        { tail -5 "$work/cmin.log"; continue; }
    mkdir -p crates/fuzz/corpus
    packed=crates/fuzz/corpus/$way.tar.gz
    all=$(ls "$work/least" | wc -l)
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
        [ "$(stat -c %s "$packed")" -gt 16384 ]
    do
        keep=$((keep * 3 / 4))
    done
    echo "$way: $keep of $all inputs, $(stat -c %s "$packed") bytes"
done
