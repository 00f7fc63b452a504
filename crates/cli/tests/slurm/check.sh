#!/usr/bin/env bash
# Sweeps on a real Slurm of one machine: check.sh PROGRAM. Installs what it needs (Debian's slurm-wlm
# and munge), starts it in a folder of its own, and stops it at the end. Eight runs with a task and
# the node killed in the middle, and eight with halving, must leave the sweep.csv of a sweep without
# Slurm, but for the times.
set -euo pipefail
program=$(realpath "$1")

if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
    sudo=""
    if [ "$(id -u)" != 0 ]; then sudo="sudo"; fi
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi
export PATH="$PATH:/usr/sbin"

work=$(mktemp -d)
chmod 700 "$work"
pids=()
stop() {
    code=$?
    trap - EXIT
    scancel --me 2>/dev/null || true
    sleep 1
    for pid in "${pids[@]}" $(steps); do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ "$code" != 0 ]; then
        tail -n 30 "$work"/*.log "$work"/out/slurm/*.log 2>/dev/null || true
        echo "slurm-check FAILED; its files are in $work" >&2
        exit "$code"
    fi
    rm -rf "$work"
}
# The processes of the tasks, and of Slurm around them. All name our folder.
steps() {
    for process in /proc/[0-9]*; do
        words=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue
        case "$words" in
        *"sweep $work/"*" --task "*) echo "${process#/proc/}" ;;
        slurmstepd*) grep -qz "SLURM_CONF=$work" "$process/environ" 2>/dev/null && echo "${process#/proc/}" ;;
        esac
    done
    return 0
}
trap stop EXIT
fail() {
    echo "slurm-check: $*" >&2
    exit 1
}
# until SECONDS COMMAND...: waits for it to succeed
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "waited in vain: $*"
        sleep 0.2
    done
}

host=$(hostname -s)
user=$(id -un)
mkdir "$work/state" "$work/spool"
export SLURM_CONF="$work/slurm.conf"
cat >"$SLURM_CONF" <<CONF
ClusterName=check
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$((20000 + $$ % 10000))
SlurmdPort=$((30001 + $$ % 10000))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
# A requeued task begins after its credential has expired.
AuthInfo=socket=$work/munge.socket,cred_expire=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MaxArraySize=1001
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
head -c 128 /dev/urandom >"$work/munge.key"
chmod 600 "$work/munge.key"
munged --force --foreground --key-file="$work/munge.key" --socket="$work/munge.socket" \
    --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munge.seed" >"$work/munged.out.log" 2>&1 &
pids+=($!)
await 20 test -S "$work/munge.socket"
slurmctld -D >"$work/slurmctld.out.log" 2>&1 &
pids+=($!)
start_node() {
    slurmd -D >>"$work/slurmd.out.log" 2>&1 &
    slurmd=$!
    pids+=("$slurmd")
}
start_node
idle() { [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; }
await 60 idle
sinfo --version

# Four points with two seeds; a run takes some seconds.
cat >"$work/sweep.toml" <<'SWEEP'
data = "sample"
epochs = 30
batch_size = 8
hidden_dim = 40
seeds = 2
[grid]
learning_rate = [0.0005, 0.001, 0.002, 0.004]
SWEEP
cp "$work/sweep.toml" "$work/halving.toml"
printf '[halving]\nrungs = [2, 6]\nfactor = 2\n' >>"$work/halving.toml"
sed -i 's/epochs = 30/epochs = 8/' "$work/halving.toml"

# The table without its times, by the names of its columns.
table() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "seconds") at = i } { $at = ""; print }' OFS=, "$1/sweep.csv"; }
same() { diff <(table "$1") <(table "$2") || fail "sweep.csv of $2 is another than that of $1"; }
sweep() { "$program" --quiet sweep "$work/sweep.toml" --out "$work/out" "$@"; }

"$program" --quiet sweep "$work/sweep.toml" --out "$work/here" >/dev/null
sweep --slurm --jobs 2
job=$(sed -n 's/^job = //p' "$work/out/slurm.toml" | head -n 1)
begun() { [ -e "$work/out/000/checkpoint.safetensors" ] && [ -e "$work/out/000-seed-1/checkpoint.safetensors" ]; }
await 60 begun

echo "killing task 1"
task() { for pid in $(steps); do if { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q -- " --task $1 "; then echo "$pid"; fi; done; }
kill -9 $(task 1)
gone() { ! squeue --noheader --array --format='%F %K' | grep -qx "$job 1"; }
await 30 gone
said=$("$program" sweep "$work/sweep.toml" --out "$work/out" 2>&1 >/dev/null || true)
grep -q "failed: run 000 (learning_rate 0.0005): $work/out/slurm/${job}_1.log" <<<"$said" || fail "the killed task is not named: $said"
scontrol requeue "${job}_1"

echo "killing the node with its tasks, and starting it again"
running() { [ -n "$(steps)" ]; }
await 60 running
kill -9 "$slurmd" $(steps)
wait "$slurmd" 2>/dev/null || true
start_node
sweep --wait >"$work/told"
grep -q 'The winner, chosen on validation' "$work/told" || fail "no winner was told"
same "$work/here" "$work/out"
for run in 000 000-seed-1 001 001-seed-1 002 002-seed-1 003 003-seed-1; do
    cmp "$work/here/$run/model.safetensors" "$work/out/$run/model.safetensors"
done
echo "eight runs, a task and the node killed: the same sweep.csv and weights as without Slurm"

"$program" --quiet sweep "$work/halving.toml" --out "$work/halved-here" >/dev/null
"$program" --quiet sweep "$work/halving.toml" --out "$work/halved" --slurm --wait --runs-per-task 2 >/dev/null
same "$work/halved-here" "$work/halved"
[ "$(grep -c ,stopped, "$work/halved/sweep.csv")" = 6 ] || fail "six runs ought to be stopped"
echo "eight runs with halving, an array for each rung: the same sweep.csv as without Slurm"

rm -rf "$work/cancelled"
"$program" --quiet sweep "$work/sweep.toml" --out "$work/cancelled" --slurm >/dev/null
"$program" --quiet sweep "$work/sweep.toml" --out "$work/cancelled" --cancel >/dev/null
empty() { [ -z "$(squeue --me --noheader)" ]; }
await 60 empty
echo "cancelled: nothing is left in the queue"
