#!/usr/bin/env bash
# Real agents do what scenarios/52-nodes.toml says, a number of times, and are drawn over the simulator's band.
#   benches/validation.sh [RUNS] [RUNS AT ONCE]
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20} at_once=${2:-1}
agent=${AGENT:-target/release/agent}
[[ -n ${AGENT:-} ]] || cargo build --release --quiet --package uwasa-agent --bin agent
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

export agent dir
one() {
  "$agent" swarm -nodes 52 -join-every 0s -join-after 200ms -contacts 5 -script benches/validation.script \
    -duration 135s -base-addr "127.$((130 + $1 % 100)).0.1:7946" -report "$dir/$1.jsonl" > "$dir/$1.txt"
}
export -f one
seq "$runs" | xargs -P "$at_once" -I{} bash -c 'one {}'

# The measurements alone: samples of the process and settling times are not compared.
for run in $(seq "$runs"); do
  grep -E '^\{"kind":"(event|departure)"' "$dir/$run.jsonl"
done > reports/validation/measured.jsonl
cargo sim overlay scenarios/52-nodes.toml --measured reports/validation/measured.jsonl --seeds 200 --out reports/validation
