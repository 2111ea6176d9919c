#!/bin/bash
#SBATCH --job-name=thresher-executor
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --output=thresher-executor-%j.log
# An executor for the length of one Slurm job: sbatch --array=1-10 slurm-executor.sh. Set the three variables below; the token
# must be readable by the job's user alone. Five minutes before its time is over the job gets SIGTERM: the executor takes no
# more work, and what does not end in time goes back to the farm.
set -euo pipefail
: "${THRESHER_HOME:=/opt/thresher}"
export THRESHER_SERVER=${THRESHER_SERVER:-farm.example.org:8980}
export THRESHER_TOKEN_FILE=${THRESHER_TOKEN_FILE:-$HOME/.config/thresher/token}
export THRESHER_TLS_CA=${THRESHER_TLS_CA:-$HOME/.config/thresher/ca.pem}
# Node-local disk: prefixes and builds do not belong on a parallel file system.
work=${TMPDIR:-/tmp}/thresher-executor-${SLURM_JOB_ID:-$$}
export THRESHER_EXECUTOR_WORK=$work
export THRESHER_EXECUTOR_NAME=${SLURMD_NODENAME:-$(hostname -s)}-${SLURM_JOB_ID:-$$}
trap 'rm -rf "$work"' EXIT
"$THRESHER_HOME/bin/thresher" executor &
executor=$!
trap 'kill -TERM "$executor"' TERM INT
# wait returns at once when a trapped signal arrives; the second time it waits for the executor's own end.
wait "$executor" || true
while kill -0 "$executor" 2>/dev/null; do wait "$executor" || true; done
