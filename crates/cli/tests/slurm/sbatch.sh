#!/bin/sh
# Stands for sbatch in tests: runs the tasks of a job at once, one after the other. In the folder
# $FAKE_SLURM, `hold` keeps them in the queue instead, and `broken` lists tasks that fail.
number=$(cat "$FAKE_SLURM/next" 2>/dev/null || echo 100)
echo $((number + 1)) >"$FAKE_SLURM/next"
script="$FAKE_SLURM/script.$number"
cat >"$script"
echo "$number $*" >>"$FAKE_SLURM/sbatch.log"
for word; do
    case "$word" in
    --array=*) array=${word#*=} ;;
    --dependency=*) dependency=${word#*=} ;;
    --output=*) output=${word#*=} ;;
    --partition=none)
        echo "sbatch: error: invalid partition specified: none" >&2
        exit 1
        ;;
    esac
done
echo "$number"
numbers=""
for range in $(echo "${array%%%*}" | tr , ' '); do
    numbers="$numbers $(seq "${range%-*}" "${range#*-}")"
done
if [ -e "$FAKE_SLURM/hold" ]; then
    for task in ${numbers:-N/A}; do echo "$number $task PENDING" >>"$FAKE_SLURM/queue"; done
    exit
fi
case "$dependency" in
afterok:*) if [ -e "$FAKE_SLURM/failed.${dependency#*:}" ]; then touch "$FAKE_SLURM/failed.$number" && exit; fi ;;
esac
export SLURM_CPUS_PER_TASK=1
if [ -z "$numbers" ]; then
    # The job that gathers waits for the lock of whoever submits it.
    sh "$script" >"$output" 2>&1 &
    exit 0
fi
for task in $numbers; do
    log=$(echo "$output" | sed "s/%A/$number/; s/%a/$task/")
    if grep -qx "$task" "$FAKE_SLURM/broken" 2>/dev/null; then
        echo "the node is lost" >>"$log"
        touch "$FAKE_SLURM/failed.$number"
        continue
    fi
    SLURM_ARRAY_TASK_ID=$task sh "$script" >>"$log" 2>&1 || touch "$FAKE_SLURM/failed.$number"
done
