"""Every call of PyPI's serfclient, against two running agents.

Arguments: the address of an agent without a token, of one with the token "sesam", and one where nobody is.
The first agent is called "open" and knows a member "failed"; the second is called "shut" and is alone.
"""

import sys
import threading
import time

from serfclient.client import SerfClient

OPEN, SHUT, NOBODY = sys.argv[1:]


def check(got, want):
    if got != want:
        raise SystemExit("got %r instead of %r" % (got, want))


def names(result):
    check(result.head["Error"], "")
    return sorted(member["Name"] for member in result.body["Members"])


def members(client):
    result = client.members()
    check(names(result), ["failed", "open"])
    [mine] = [member for member in result.body["Members"] if member["Name"] == "open"]
    check(sorted(mine), sorted([
        "Addr", "DelegateCur", "DelegateMax", "DelegateMin", "Name", "Port",
        "ProtocolCur", "ProtocolMax", "ProtocolMin", "Status", "Tags",
    ]))
    check(mine["Addr"], bytes(int(part) for part in OPEN.split(".")))
    check(mine["Port"], 7946)
    check(mine["Status"], "alive")
    check(mine["Tags"], {"role": "web", "dc": "east"})
    check([mine["DelegateMin"], mine["DelegateMax"], mine["DelegateCur"]], [2, 5, 5])
    check(names(client.members(name="op.*")), ["open"])
    check(names(client.members(status="failed")), ["failed"])
    check(names(client.members(tags={"role": "w.b"})), ["open"])
    check(names(client.members(tags={"role": "db"}, status="failed", name="failed")), ["failed"])
    check(client.members(name="nobody").body["Members"] or [], [])


def stream(client):
    other = SerfClient(host=OPEN)
    result = client.stream("user:streamed")
    check(result.head["Error"], "")

    def fire():
        # Each event alone: the client loses what comes in one segment.
        for payload in ("one", "two"):
            time.sleep(0.3)
            other.event("other", payload, coalesce=False)
            other.event("streamed", payload, coalesce=False)

    thread = threading.Thread(target=fire)
    thread.start()
    seen = []
    for record in result.body:
        check(record.body["Event"], "user")
        check(record.body["Name"], "streamed")
        check(record.body["Coalesce"], False)
        seen.append(record.body["Payload"])
        if len(seen) == 2:
            break
    thread.join()
    check(seen, [b"one", b"two"])


def auth():
    # Without the token a command is refused and its body is read as the next request: the client must end there.
    error = SerfClient(host=SHUT).event("x").head["Error"]
    check(error, "Authentication required")
    keen = SerfClient(host=SHUT, rpc_auth="sesam")
    check(names(keen.members()), ["shut"])
    return keen


def main():
    client = SerfClient(host=OPEN)
    members(client)
    check(client.event("from python", "p\u00e4yload", coalesce=False).head["Error"], "")
    check(client.event("plain").head["Error"], "")
    stats = client.stats().body
    check(sorted(stats), ["agent", "event_handlers", "runtime", "serf", "tags"])
    check(stats["agent"], {"name": "open"})
    check(stats["serf"]["members"], "2")
    check(stats["serf"]["failed"], "1")
    check(client.force_leave("failed").head["Error"], "")
    check(client.force_leave("nobody").head["Error"], "")
    keen = auth()
    result = client.join([SHUT + ":7946"])
    check([result.head["Error"], result.body["Num"]], ["", 1])
    result = client.join([NOBODY + ":7946"])
    check(result.body["Num"], 0)
    if not result.head["Error"].startswith("1 error occurred:\n\t* Failed to join " + NOBODY):
        raise SystemExit(result.head["Error"])
    check(keen.join([OPEN + ":7946", SHUT]).body["Num"], 2)
    stream(client)
    print("all well")


main()
