#!/usr/bin/env bash
# durability.sh PROGRAM [options of `thresher load`]: what it costs that nothing is acknowledged before it is on disk.
# Two servers of the same program, side by side: one as it is, one whose syncs are answered without one. Needs a C
# compiler. The directory is below TMPDIR, so that says which disk is measured.
set -euo pipefail
program=$(readlink -f "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
chmod 711 "$scratch" # where it runs as root, builds run as other users
servers=()
finish() {
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$scratch"
}
trap finish EXIT
cc -shared -fPIC -O2 -o "$scratch/nosync.so" "$here/nosync.c"

# start NAME PRELOAD: sets address
start() {
  mkdir -m 711 "$scratch/$1"
  LD_PRELOAD=$2 "$program/bin/thresher" serve --set "data=$scratch/$1/data" --set access.open=true \
    --set "access.token_file=$scratch/$1/token" --set grpc.listen=127.0.0.1:0 --set http.listen=127.0.0.1:0 \
    --set "executor.work=$scratch/$1/work" --set executor.local=true >"$scratch/$1.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 1200); do
    address=$(sed -nE 's/.*ready: grpc=([^ ]+) .*/\1/p' "$scratch/$1.log")
    [ -z "$address" ] || return 0
    sleep 0.1
  done
  cat "$scratch/$1.log" >&2
  exit 1
}
start synced ""
first=$address
start in-memory "$scratch/nosync.so"
"$program/bin/thresher" load "$@" "synced=$first" "in-memory=$address"
