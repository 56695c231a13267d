#!/usr/bin/env bash
# A cluster of whole processes, some of which are killed: how long from the first survivor's verdict to the last one's?
#   benches/first-to-last.sh PROGRAM [AGENTS] [KILLS] [STARTS PER SECOND]
# PROGRAM is `target/release/serf`, or Go's. On 2 cores the latter gets along up to about 200, with GOMAXPROCS=1.
set -euo pipefail
exec python3 - "${1:?which program?}" "${2:-100}" "${3:-10}" "${4:-4}" <<'PY'
import os, random, resource, selectors, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

try:
    agents, kills, rate = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
except ValueError as error:
    sys.exit(f"first-to-last: AGENTS, KILLS and STARTS PER SECOND are numbers: {error}")
program = shutil.which(sys.argv[1])
if program is None:
    sys.exit(f"first-to-last: {sys.argv[1]} is no program; `cargo build --release` makes target/release/serf")
program = os.path.abspath(program)
if not 3 <= agents <= 2000 or not 1 <= kills <= agents - 2 or rate <= 0:
    sys.exit("first-to-last: AGENTS is 3 to 2000, KILLS at most AGENTS - 2, STARTS PER SECOND above 0")
# A connection to each agent.
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
# A range of its own for every run, so that late packets of another miss it.
net = 64 + os.getpid() % 128
draw = random.Random(agents)
selector = selectors.DefaultSelector()
home = tempfile.TemporaryDirectory(prefix="first-to-last-")


class Agent:
    def __init__(self, number, seed):
        self.name, self.rest, self.members = f"n{number}", b"", set()
        self.ip = f"127.{net}.{number // 250}.{number % 250 + 1}"
        command = [program, "agent", f"-node={self.name}", f"-bind={self.ip}:7946", f"-rpc-addr={self.ip}:7373"]
        command += [f"-join={seed.ip}:7946"] if seed else []
        # Pipes of one user share a budget, which a thousand exceed: agents would have nowhere to log.
        self.log, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            command, cwd=home.name, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.STDOUT)
        theirs.close()
        selector.register(self.log, selectors.EVENT_READ, self)

    def lines(self):
        data = self.log.recv(1 << 20)
        if not data:
            selector.unregister(self.log)
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines


# Who said of whom, and when, that it failed.
verdicts = {}


def listen(seconds, enough=lambda: False):
    """Reads what the agents log for so long, or until it is enough."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not enough():
        ready = selector.select(min(0.05, max(0.0, end - time.monotonic())))
        # The logs count in seconds; lines get the time at which they come.
        now = time.monotonic()
        for key, _ in ready:
            for line in key.data.lines():
                words = line[line.find(b"EventMember"):].split() if b"EventMember" in line else []
                if len(words) > 1 and words[0] == b"EventMemberJoin:":
                    key.data.members.add(words[1])
                elif len(words) > 1 and words[0] == b"EventMemberFailed:":
                    verdicts.setdefault(words[1].decode(), {}).setdefault(key.data.name, now)


def lacking():
    """Agents that have not heard of everybody."""
    return [agent for agent in cluster if len(agent.members) < agents]


def busy():
    """Processor time so far: busy, and all."""
    ticks = [int(word) for word in open("/proc/stat").readline().split()[1:]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def kill(victim, survivors):
    """Seconds to the survivors' verdicts, ascending."""
    victim.process.kill()
    start = time.monotonic()
    victim.process.wait()
    listen(60, lambda: len(verdicts.get(victim.name, {})) >= len(survivors))
    return sorted(at - start for at in verdicts.get(victim.name, {}).values())


cluster = []
try:
    for number in range(agents):
        cluster.append(Agent(number, draw.choice(cluster) if cluster else None))
        # The first must listen before the second joins.
        listen(1 if number == 0 else 1 / rate)
    for _ in range(10):
        listen(10, lambda: not lacking())
        # Who joined while others did may have missed one, and would hear of it minutes later, by an exchange of states.
        for agent in lacking():
            seed = draw.choice(cluster)
            subprocess.run([program, "join", f"-rpc-addr={agent.ip}:7373", f"{seed.ip}:7946"], stdout=subprocess.DEVNULL)
    if lacking():
        sys.exit(f"first-to-last: {len(lacking())} of {agents} agents still lack a member after they have joined ten times")
    listen(30)
    verdicts.clear()
    begun, rows = busy(), []
    print("| kill | first, s | median, s | last, s | first to last, s | survivors that heard |\n|--:|--:|--:|--:|--:|--:|")
    for number in range(kills):
        victim = draw.choice(cluster[1:])
        cluster.remove(victim)
        times = kill(victim, cluster)
        if not times:
            sys.exit(f"first-to-last: nobody noticed within 60 s that {victim.name} is dead")
        rows.append((times[0], times[-1] - times[0]))
        print(f"| {number + 1} | {times[0]:.2f} | {statistics.median(times):.2f} | {times[-1]:.2f} "
              f"| {times[-1] - times[0]:.3f} | {len(times)} of {len(cluster)} |", flush=True)
        listen(12)
    ended = busy()
    alive = {agent.name for agent in cluster}
    firsts, spreads = zip(*rows)
    print(f"\n{agents} agents, {kills} kills: first after {statistics.median(firsts):.2f} s in the median; first to last "
          f"{statistics.median(spreads):.3f} s in the median, {statistics.mean(spreads):.3f} on average, "
          f"{min(spreads):.3f} to {max(spreads):.3f}; {len(alive & set(verdicts))} false failures; "
          f"processors {100 * (ended[0] - begun[0]) / (ended[1] - begun[1]):.0f} % busy")
finally:
    for agent in cluster:
        agent.process.kill()
    for agent in cluster:
        agent.process.wait()
PY
