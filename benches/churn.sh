#!/usr/bin/env bash
# An hour of agents that crash, leave and come back: nothing may grow. Writes the report of the swarm and a summary.
#   benches/churn.sh [DIR] [DURATION] [AGENTS] [STOPS PER MINUTE]
set -euo pipefail
dir=${1:-/tmp/churn} duration=${2:-1h} agents=${3:-60} rate=${4:-30}
agent=${AGENT:-target/release/agent}
mkdir -p "$dir"
[[ -n ${AGENT:-} ]] || cargo build --release --quiet --package uwasa-agent --bin agent

"$agent" swarm -nodes "$agents" -churn "$rate" -duration "$duration" -report "$dir/report.jsonl" > "$dir/log.txt"

python3 - "$dir/report.jsonl" <<'PY'
import json, statistics, sys
records = [json.loads(line) for line in open(sys.argv[1])]
samples = [r for r in records if r["kind"] == "sample"]
departures = [r for r in records if r["kind"] == "departure"]
end = next(r for r in records if r["kind"] == "end")
print(f"{len(departures)} departures in {end['at_s']:.0f} s")
print("| part of the run | agents up | tasks | files | anonymous MiB | CPU % |\n|---|--:|--:|--:|--:|--:|")
parts = 6
def median(part, key, unit=1):
    return statistics.median(s[key] for s in part) / unit
# The first minute is the cluster's formation.
late = [s for s in samples if s["at_s"] > 60] or samples
figures = []
for n in range(parts):
    part = late[n * len(late) // parts:(n + 1) * len(late) // parts]
    if not part: continue
    # Tasks and files follow the agents that are up, and the streams of the moment.
    tasks = statistics.median(s["tasks"] - 2 * s["up"] for s in part)
    files = statistics.median(s["files"] - 2 * s["up"] for s in part)
    memory = median(part, "anonymous", 1 << 20)
    figures.append((tasks, files, memory))
    print(f"| {part[0]['at_s']:.0f} to {part[-1]['at_s']:.0f} s | {median(part, 'up'):.0f} | {median(part, 'tasks'):.0f} "
          f"| {median(part, 'files'):.0f} | {memory:.1f} | {median(part, 'cpu_percent'):.1f} |")
print(f"at the end: {end['tasks']} tasks, {end['files']} files, {end['false_failures']} false failures, "
      f"{end['failed_starts']} failed starts")
leaks = []
if figures[-1][0] > figures[0][0] + 4: leaks.append("tasks")
if figures[-1][1] > figures[0][1] + 4: leaks.append("files")
# The second sixth: what the allocator keeps for good it has by then.
if figures[-1][2] > 1.1 * figures[min(1, len(figures) - 1)][2] + 2: leaks.append("memory")
if end["tasks"]: leaks.append("tasks at the end")
sys.exit(f"grows: {', '.join(leaks)}" if leaks else 0)
PY
