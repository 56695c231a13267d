#!/bin/bash
# Proves the job files against a real Slurm on this machine: one node with munged, slurmctld and slurmd in a temporary
# folder, a sweep as an array, one task killed half-way and requeued, the merge after it, and the bytes compared with a
# sweep in one piece. Needs Debian's slurm-wlm and munge, and root; installs them if they are missing.
#
#   cargo build --release -p uwasa-sim && SIM=target/release/sim sim/deploy/test-slurm.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
SIM=$(realpath "${SIM:-$here/../../target/release/sim}")
export SIM
[ -x "$SIM" ] || { echo "no sim at $SIM: build it, or name it in SIM" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "slurmd runs jobs for others and needs root" >&2; exit 2; }
if ! command -v slurmctld slurmd munged sbatch >/dev/null; then
  apt-get -o DPkg::Lock::Timeout=600 install -y slurm-wlm munge >/dev/null
fi

dir=$(mktemp -d)
chmod 755 "$dir"
pids=()
stop() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap stop EXIT

host=$(hostname -s)
mkdir "$dir"/{munge,state,spool,cluster}
chmod 755 "$dir/munge"
head -c 1024 /dev/urandom >"$dir/munge.key"
chmod 400 "$dir/munge.key"
cat >"$dir/slurm.conf" <<CONF
ClusterName=proof
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
MinJobAge=600
JobRequeue=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$dir/slurm.conf"

munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
  --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" &
pids+=($!)
slurmctld -D -f "$SLURM_CONF" >"$dir/slurmctld.log" 2>&1 &
pids+=($!)
slurmd -D -f "$SLURM_CONF" >"$dir/slurmd.log" 2>&1 &
pids+=($!)
for _ in $(seq 120); do
  sinfo --noheader --format=%T 2>/dev/null | grep -q idle && break
  sleep 1
done
sinfo --noheader --format=%T | grep -q idle || {
  echo "the node did not come up" >&2
  tail -n 20 "$dir"/*.log >&2
  exit 1
}
echo "Slurm $(sinfo --version | cut -d' ' -f2): one node, $(nproc) CPUs"

cat >"$dir/cluster/small.toml" <<'TOML'
title = "Small"
nodes = 8
duration = "60s"
network = { latency = { median = "500us", p99 = "3ms" } }
work = [{ at = "5s", event = "deploy" }]
fault = [{ at = "10s", crash = ["host3"] }]
TOML
cd "$dir/cluster"
sweep=("$dir/cluster/small.toml" --grid nodes=8,32 --grid network.loss=0,0.1,0.25 --seeds 7)
"$SIM" sweep "${sweep[@]}" --out whole --quiet

array=$(sbatch --parsable --array=1-4 "$here/slurm.sbatch" "$dir/cluster/parts" "${sweep[@]}")
merge=$(sbatch --parsable --dependency="afterok:$array" "$here/merge.sbatch" "$dir/cluster/parts")
# One task is killed and starts again as soon as it has a row. If it was done already, it runs again and finds so.
for _ in $(seq 600); do
  [ -s parts/shard-2/rows.jsonl ] || [ -e parts/shard-2/results.jsonl ] && break
  sleep 0.1
done
scontrol requeue "${array}_2" && echo "requeued task 2 with $(cat parts/shard-2/r*.jsonl | wc -l) rows"
for _ in $(seq 600); do
  state=$(squeue --noheader --states=all --jobs="$merge" --format=%T)
  case $state in COMPLETED) break ;; FAILED | CANCELLED | TIMEOUT) break ;; esac
  sleep 1
done
squeue --states=all --jobs="$array,$merge" --format='%.12i %.10j %.10T'
[ "$state" = COMPLETED ] || { cat "$dir"/work/slurm-*.out; exit 1; }
diff --recursive whole parts/whole
echo "array of 4 tasks and merge: the same bytes as one sweep ($(wc -l <whole/results.jsonl) rows)"
