#!/usr/bin/env bash
# 500 agents in one process see each other, deliver an event to all, and survive the end of 50. Gossip may miss an agent
# or two; the next exchange of full states repairs that, which takes minutes at this size: two are granted.
#   benches/swarm500.sh [AGENT] [DIR]
set -euo pipefail
agent=${1:-target/release/agent} dir=${2:-$(mktemp -d)}
"$agent" swarm -nodes 500 -event-after 40s -kill 50 -kill-after 50s -duration 110s -report "$dir/swarm500.jsonl" \
  > "$dir/swarm500.txt"

python3 - "$dir/swarm500.jsonl" <<'PY'
import json, sys
records = [json.loads(line) for line in open(sys.argv[1])]
kind = lambda name: [r for r in records if r["kind"] == name]
settled, events, crashes, end = kind("settled"), kind("event"), kind("departure"), kind("end")[0]
most = max(kind("sample"), key=lambda s: s["anonymous"])
print(f"settled: {[(s['agents'], round(s['took_s'], 1)) for s in settled]}")
for e in events:
    print(f"event: {len(e['delays_s'])} of {e['audience']}, the last after {e['delays_s'][-1]:.2f} s")
noticed = sum(len(c["delays_s"]) == c["observers"] >= 448 for c in crashes)
print(f"crashes: {noticed} of {len(crashes)} marked failed by all others that knew them")
before = [s for s in kind("sample") if s["at_s"] < 40][-1]
print(f"members seen after 40 s: fewest {before['seen'][0]}, median {before['seen'][1]}")
print(f"most memory: {most['anonymous'] / 2**20:.0f} MiB anonymous; tasks left: {end['tasks']}")
wrong = []
if before["seen"][0] < 498 or before["seen"][1] != 500: wrong.append("members missing")
if not events or any(len(e["delays_s"]) != e["audience"] or e["audience"] != 500 for e in events): wrong.append("event")
if len(crashes) != 50 or noticed != 50 or any(c["mistaken"] for c in crashes): wrong.append("crashes")
if end["false_failures"] or end["failed_starts"] or end["tasks"]: wrong.append("end")
sys.exit(f"wrong: {', '.join(wrong)}" if wrong else 0)
PY
