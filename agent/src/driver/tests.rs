//! Real agents on loopback sockets: joins, events, queries, and what a failed join tells.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use uwasa_core::command::QueryParams;
use uwasa_core::config::{Identity, Options};
use uwasa_core::tags::Tags;

use super::*;
use crate::agent::{Agent, Settings};
use crate::filter::Filter;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A TCP and a UDP socket on one free port.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind((LOCALHOST, 0)).unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            tcp.set_nonblocking(true).unwrap();
            udp.set_nonblocking(true).unwrap();
            return (udp, tcp);
        }
    }
}

fn agent(name: &str, snapshot: Option<PathBuf>) -> Agent {
    let (udp, tcp) = sockets();
    let options = Options { trace: true, snapshot: snapshot.is_some(), ..Options::local() };
    let start = Start {
        config: Arc::new(options.validate().unwrap()),
        identity: Identity::new(name, tcp.local_addr().unwrap()).unwrap(),
        udp,
        tcp,
        snapshot,
        keyring_file: None,
    };
    Agent::start(start, Settings::default()).unwrap()
}

async fn wait_for_members(agent: &Agent, count: usize) {
    let all = async {
        while agent.members().await.len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("they meet");
}

#[tokio::test]
async fn two_agents_join_and_share_an_event_and_a_query() {
    let (one, two) = (agent("one", None), agent("two", None));
    let joined = two.join(&[one.addr().to_string()], false).await;
    assert_eq!((joined.contacted, joined.error), (1, None));
    wait_for_members(&one, 2).await;

    let filters = Filter::parse_list("user:deploy,query").unwrap();
    let mut events = one.subscribe(8, filters, "test".to_owned()).await;
    two.user_event("other", Bytes::new(), false).await.unwrap();
    two.user_event("deploy", Bytes::from_static(b"v1"), false).await.unwrap();
    let event = events.next().await.unwrap();
    let AgentEvent::User { name, payload, .. } = &*event else { panic!("{event:?}") };
    assert_eq!((&**name, &payload[..]), ("deploy", &b"v1"[..]));

    let timeout = Duration::from_millis(500);
    let query = QueryParams { name: "load".into(), ack: true, timeout, ..QueryParams::default() };
    let mut records = two.query(query).await.unwrap();
    let event = events.next().await.unwrap();
    let AgentEvent::Query { id, .. } = &*event else { panic!("{event:?}") };
    one.respond(*id, Bytes::from_static(b"0.1")).await.unwrap();
    let again = one.respond(*id, Bytes::from_static(b"0.1")).await.unwrap_err();
    assert_eq!(again.to_string(), "failed to respond to key query: response already sent");
    let mut seen = Vec::new();
    while let Some(record) = records.recv().await {
        seen.push(record);
    }
    let ack = |from: &str| QueryRecord::Ack { from: from.into() };
    assert!(seen.contains(&ack("one")) && seen.contains(&ack("two")), "{seen:?}");
    let response =
        QueryRecord::Response { from: "one".into(), payload: Bytes::from_static(b"0.1") };
    assert!(seen.contains(&response), "{seen:?}");
    assert_eq!(seen.last(), Some(&QueryRecord::Done));
}

#[tokio::test]
async fn a_failed_join_says_what_went_wrong_with_each_address() {
    let agent = agent("alone", None);
    let silent = TcpListener::bind((LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let words = [silent.to_string(), "bad:port:x".to_owned()];
    let joined = agent.join(&words, false).await;
    let expected = format!(
        "2 errors occurred:\n\
         \t* Failed to resolve bad:port:x: lookup bad:port:x: no such host\n\
         \t* Failed to join 127.0.0.1: dial tcp {silent}: connect: connection refused\n\n"
    );
    assert_eq!(joined.error.unwrap().to_string(), expected);
}

#[tokio::test]
async fn tags_spread_and_a_leave_is_told() {
    let (one, two) = (agent("one", None), agent("two", None));
    two.join(&[one.addr().to_string()], false).await;
    wait_for_members(&one, 2).await;
    let mut tags = Tags::new();
    tags.insert("role", "web");
    two.update_tags(&tags, &[]).await.unwrap();
    let seen = async || {
        let members = one.members().await;
        members.iter().find(|member| &*member.name == "two").cloned().unwrap()
    };
    // The update is over once it was sent; the datagram may still be on its way.
    let told = async {
        while seen().await.tags.get("role") != Some("web") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("the tags arrive");
    two.leave().await.unwrap();
    two.shut_down().await;
    assert_eq!(two.members().await, []);
    assert_eq!(seen().await.status_word(), "left");
}

#[tokio::test]
async fn tags_changed_at_once_do_not_undo_each_other() {
    let agent = agent("one", None);
    let set = |name: &str| [(name, "1")].into_iter().collect::<Tags>();
    let (a, b) = (set("a"), set("b"));
    let (first, second) = tokio::join!(agent.update_tags(&a, &[]), agent.update_tags(&b, &[]));
    first.unwrap();
    second.unwrap();
    assert_eq!(agent.local().await.tags.len(), 2);
}

#[tokio::test]
async fn an_agent_goes_on_from_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("snapshot");
    let (one, two) = (agent("one", None), agent("two", Some(file.clone())));
    two.join(&[one.addr().to_string()], false).await;
    wait_for_members(&two, 2).await;
    two.shut_down().await;
    let again = agent("two", Some(file));
    wait_for_members(&again, 2).await;
}
