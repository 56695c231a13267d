//! Scripts that misbehave.

use std::time::Duration;

use crate::siege::{Siege, wait_until};

/// Resident memory, in KiB: the program's own pages, and queues of events.
const MEMORY_MAX: u64 = 32 * 1_024;

#[test]
fn more_events_than_a_slow_script_can_take() {
    let slow = "-event-handler=user:e=echo $SERF_USER_LTIME >> $HERE/ran; sleep 0.2";
    let mut siege = Siege::lay(&[slow, "-handler-queue=100"]);
    siege.endure(MEMORY_MAX, |victim| {
        victim.ask(async |client| {
            for _ in 0..2_000 {
                client.event("e", Some(&[b'x'; 400]), false).await.unwrap();
            }
        });
    });
    let (dropped, missed) = (
        siege.victim.counted("agent.handler.dropped"),
        siege.victim.counted("agent.events.dropped"),
    );
    assert!(dropped + missed > 1_500, "{dropped} {missed}");
    let lines = siege.victim.log().matches("Dropping event").count();
    assert!(lines < 50, "{lines} lines of log");
}

#[test]
fn scripts_that_write_without_end_and_junk() {
    let hostile = [
        "-event-handler=user:zeros=head -c 50000000 /dev/zero",
        "-event-handler=query:junk=head -c 100000 /dev/urandom",
        "-event-handler=query:lines=yes | head -c 20000000",
        "-event-handler=query:gone=kill -9 $$",
        "-log-level=debug",
    ];
    let mut siege = Siege::lay(&hostile);
    siege.endure(MEMORY_MAX, |victim| {
        victim.ask(async |client| {
            for _ in 0..5 {
                client.event("zeros", None, false).await.unwrap();
                for name in ["junk", "lines", "gone"] {
                    let query = uwasa_agent::rpc::client::Query {
                        name,
                        timeout: 1_000_000_000,
                        ..uwasa_agent::rpc::client::Query::default()
                    };
                    client.query(&query).await.unwrap();
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
    });
    wait_until("answers are refused", || siege.victim.log().contains("Failed to respond to query"));
    assert!(siege.victim.log().contains("signal: killed"));
}

#[test]
fn a_storm_of_scripts() {
    // Lanes of their own, since the names of the queries differ.
    let flags: Vec<String> = (0..100)
        .map(|number| format!("-event-handler=query:q{number}=sleep 0.5 # {number}"))
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut siege = Siege::lay(&flags);
    siege.endure(MEMORY_MAX, |victim| {
        victim.ask(async |client| {
            for number in 0..400 {
                let name = format!("q{}", number % 100);
                let query = uwasa_agent::rpc::client::Query {
                    name: &name,
                    timeout: 100_000_000,
                    ..uwasa_agent::rpc::client::Query::default()
                };
                client.query(&query).await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
    });
}
