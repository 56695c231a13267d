//! The recorded scripts of the reference for the Serf layer, step by step: clocks, members, lists, intents, events and
//! queued broadcasts after each.

use core::net::IpAddr;
use core::time::Duration;

use serde_json::{Map, Value, json};

use super::super::commands::Join;
use super::super::*;
use crate::command::Command;
use crate::config::Options;
use crate::event::{EventMember, MemberEventKind};
use crate::ids::OpId;
use crate::io::Output;
use crate::msg::serf::SerfMessageType;
use crate::pool::{Vsn, WireAddr};
use crate::queue::Take;
use crate::serf::Life;
use crate::swim::Upcall;
use crate::tags::Tags;
use crate::trace::{IntentKind, QueueKind};
use crate::wire::{serf as codec, tags};

/// Commands are `call_…` steps: the results they end with are compared where the script names one.
struct Script {
    now: Instant,
    pool: Pool,
    out: Outbox,
    node: Node,
    events: Vec<Value>,
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn tags_of(value: &Value) -> Tags {
    let none = Map::new();
    let pairs = value.as_object().unwrap_or(&none);
    pairs.iter().map(|(name, value)| (name, text(value))).collect()
}

fn bytes_of(hex: &Value) -> Vec<u8> {
    let hex = text(hex);
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Script {
    fn new(config: &Value) -> Self {
        let mut options = Options {
            serf_protocol_version: 4,
            event_buffer: 8,
            query_buffer: 8,
            ..Options::lan()
        };
        for (key, value) in config.as_object().unwrap_or(&Map::new()) {
            let number = || u32::try_from(value.as_u64().expect("a number")).expect("small");
            let millis = || Duration::from_millis(number().into());
            match key.as_str() {
                "EventBuffer" => options.event_buffer = number(),
                "QueryBuffer" => options.query_buffer = number(),
                "BroadcastTimeout_ms" => options.broadcast_timeout = millis(),
                "LeavePropagateDelay_ms" => options.leave_propagate_delay = millis(),
                "Tags" | "eventJoinIgnore" => {}
                other => panic!("no such setting: {other}"),
            }
        }
        let meta = tags::encode(&tags_of(&config["Tags"]), 4).expect("small");
        let me = Identity::new("n1", "127.0.0.1:7946".parse().expect("an address")).expect("valid");
        let me = me.with_meta(meta).expect("small");
        let (mut pool, mut out) = (Pool::new(1), Outbox::new());
        let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
        let config_ = Arc::new(options.validate().expect("valid"));
        let mut node = Node::new(config_, me, [1; 32], &mut cx);
        if config["eventJoinIgnore"] == json!(true) {
            let join = Join {
                op: OpId(0),
                seeds: [].into(),
                seed: None,
                failures: Vec::new(),
                contacted: 0,
                replay_events: false,
            };
            node.joins.asked.push_back(join);
        }
        let mut script = Self { now: Instant::ZERO, pool, out, node, events: Vec::new() };
        script.drain();
        script
    }

    /// Lets the node work on something with its parts at hand, and settles.
    fn work(&mut self, work: impl FnOnce(&mut Node, &mut Turn<'_>)) {
        let mut scratch = self.out.take_scratch();
        let mut turn = Turn { pool: &mut self.pool, out: &mut self.out, scratch: &mut scratch };
        work(&mut self.node, &mut turn);
        self.node.settle(&mut turn);
        self.out.return_scratch(scratch);
        self.drain();
    }

    fn input(&mut self, input: Input<'_>) {
        let mut cx = Cx { now: self.now, pool: &mut self.pool, out: &mut self.out };
        self.node.handle(input, &mut cx);
        self.drain();
    }

    fn drain(&mut self) {
        let mut out = core::mem::take(&mut self.out);
        while let Some(output) = out.pop() {
            if let Output::Event(event) = output {
                let event = self.describe(&event);
                self.events.push(event);
            }
        }
        self.out = out;
    }

    fn describe(&self, event: &Event) -> Value {
        match event {
            Event::Members(event) => {
                let members: Vec<Value> = event.members.iter().map(|m| self.member(m)).collect();
                let kind = match event.kind {
                    MemberEventKind::Join => "member-join",
                    MemberEventKind::Leave => "member-leave",
                    MemberEventKind::Failed => "member-failed",
                    MemberEventKind::Update => "member-update",
                    MemberEventKind::Reap => "member-reap",
                };
                json!({ "type": kind, "members": members })
            }
            Event::User(event) => json!({
                "type": "user", "ltime": event.ltime, "name": event.name,
                "payload_hex": hex_of(&event.payload), "coalesce": event.coalesce,
            }),
            Event::Query(query) => {
                let mut event = json!({
                    "type": "query", "ltime": query.id.ltime, "name": query.name,
                    "payload_hex": hex_of(&query.payload), "source": query.source,
                });
                // The number of an own query is random.
                if &*query.source != "n1" {
                    event["id"] = json!(query.id.id);
                }
                event
            }
            Event::QueryAck { .. }
            | Event::QueryResponse { .. }
            | Event::KeyringChanged { .. }
            | Event::ShutDown(_) => panic!("the scripts know no {event:?}"),
        }
    }

    fn member(&self, member: &EventMember) -> Value {
        let tags = tags::decode(&self.pool.profile(member.profile).meta);
        let tags: Map<_, _> = tags.iter().map(|(k, v)| (k.to_owned(), json!(v))).collect();
        json!({ "name": self.pool.name(member.node), "status": member.status.as_str(), "tags": tags })
    }

    fn step(&mut self, step: &Value) {
        let args = &step["args"];
        match text(&step["op"]) {
            "create" => {}
            "memberlist_join" => self.upcall(args, true, Upcall::Joined),
            "memberlist_leave" => self.upcall(args, false, Upcall::Departed),
            "memberlist_update" => self.upcall(args, true, Upcall::Updated),
            "recv_join_intent" | "recv_leave_intent" | "recv_user_event" | "recv_query"
            | "recv_raw" => {
                let message = bytes_of(&args["hex"]);
                self.work(|node, turn| node.on_user_message(&message, turn));
            }
            "merge_remote_state" => {
                let (state, join) = (bytes_of(&args["hex"]), args["is_join"] == json!(true));
                self.work(|node, turn| node.merge_user_state(join, &state, turn));
            }
            "end_of_join" => {
                self.node.joins.asked.pop_front();
            }
            "set_state_leaving" => self.node.serf.life = Life::Leaving,
            "call_user_event" => {
                let payload = text(&args["payload"]).to_owned().into_bytes().into();
                let coalesce = args["coalesce"] == json!(true);
                let name = text(&args["name"]).into();
                self.command(Command::UserEvent { name, payload, coalesce });
            }
            "call_query" => {
                let payload = text(&args["payload"]).to_owned().into_bytes().into();
                let name = text(&args["name"]).into();
                let params = crate::command::QueryParams { name, payload, ..Default::default() };
                self.command(Command::Query(params));
            }
            "call_leave" => self.command(Command::Leave),
            "call_force_leave" => {
                let (name, prune) = (text(&args["node"]).into(), args["prune"] == json!(true));
                self.command(Command::ForceLeave { name, prune });
            }
            other => panic!("no such step: {other}"),
        }
        self.pass_time(args["prune"] == json!(true) || step["op"] == json!("call_leave"));
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command { op: OpId(1), command });
    }

    /// Leaves and prunes take their waits; everything else is done at once.
    fn pass_time(&mut self, wait: bool) {
        if !wait {
            return;
        }
        let config = &self.node.config;
        let end = self.now + config.broadcast_timeout * 2 + config.leave_propagate_delay;
        while let Some((at, _)) = self.node.deadline().filter(|(at, _)| *at <= end) {
            self.now = at;
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// SWIM's news about somebody it has no record of any more: what Serf makes of it is the subject here.
    fn upcall(&mut self, args: &Value, profile: bool, upcall: impl FnOnce(NodeId) -> Upcall) {
        let node = self.pool.intern(text(&args["name"]));
        if profile && !(self.node.swim.record(node).is_none() && args["port"].is_null()) {
            let ip: IpAddr = text(&args["ip"]).parse().expect("an address");
            let profile = Profile {
                node,
                addr: WireAddr::from(ip),
                port: args["port"]
                    .as_u64()
                    .map_or(7946, |port| u16::try_from(port).expect("a port")),
                vsn: Vsn([1, 5, 2, 2, 5, 4]),
                meta: tags::encode(&tags_of(&args["tags"]), 4).expect("small"),
            };
            let profile = self.pool.intern_profile(profile);
            self.node.swim.plant(node, profile);
        }
        let action = Action::Upcall(upcall(node));
        self.work(|_, turn| turn.scratch.actions.push(action));
    }

    fn after(&mut self) -> Value {
        let queued = [QueueKind::Intent, QueueKind::Query, QueueKind::Event].map(|_| Vec::new());
        let [mut intents, mut queries, mut events] = queued;
        let everything = Take { overhead: 0, room: usize::MAX / 2, parts_max: 1_000, limit: 0 };
        self.node.serf.outgoing.take(everything, |message| match described(message) {
            (SerfMessageType::Query, message) => queries.push(message),
            (SerfMessageType::UserEvent, message) => events.push(message),
            (_, message) => intents.push(message),
        });
        let recent = self.node.serf.intents.iter().map(|(name, intent)| {
            let kind = if intent.kind == IntentKind::Join { "join" } else { "leave" };
            (name.to_owned(), json!({ "type": kind, "ltime": intent.ltime }))
        });
        let info = self.node.info();
        json!({
            "clocks": {
                "member": info.member_time, "event": info.event_time, "query": info.query_time,
            },
            "event_min_time": self.node.serf.events.ltime_min(),
            "members": self.members(),
            "failed_list": self.list(MemberStatus::Failed),
            "left_list": self.list(MemberStatus::Left),
            "recent_intents": recent.collect::<Map<_, _>>(),
            "events": core::mem::take(&mut self.events),
            "queued_intents": sorted(intents),
            "queued_queries": sorted(queries),
            "queued_events": sorted(events),
        })
    }

    fn members(&self) -> Value {
        let members = self.node.members(&self.pool).map(|view| {
            let mut member =
                json!({ "status": view.status.as_str(), "status_ltime": view.status_ltime });
            if view.name != "n1" {
                let tags = tags::decode(&view.profile.meta);
                member["addr"] = json!(view.profile.addr.ip().to_string());
                member["tags"] = tags.iter().map(|(k, v)| (k.to_owned(), json!(v))).collect();
            }
            (view.name.to_owned(), member)
        });
        Value::Object(members.collect())
    }

    fn list(&self, status: MemberStatus) -> Value {
        let members = self.node.members(&self.pool).filter(|view| view.status == status);
        sorted(members.map(|view| json!(view.name)).collect())
    }
}

fn described(message: &[u8]) -> (SerfMessageType, Value) {
    let (&kind, body) = message.split_first().expect("a type byte");
    let kind = SerfMessageType::from_byte(kind).expect("a known type");
    let described = match kind {
        SerfMessageType::Join => {
            let intent = codec::decode_join_intent(body).expect("our own");
            json!({ "type": "join", "ltime": intent.ltime, "node": intent.node })
        }
        SerfMessageType::Leave => {
            let intent = codec::decode_leave_intent(body).expect("our own");
            json!({ "type": "leave", "ltime": intent.ltime, "node": intent.node, "prune": intent.prune })
        }
        SerfMessageType::UserEvent => {
            let event = codec::decode_user_event(body).expect("our own");
            json!({
                "type": "user_event", "ltime": event.ltime, "name": event.name, "cc": event.coalesce,
                "payload_hex": hex_of(event.payload.unwrap_or_default()),
            })
        }
        SerfMessageType::Query => {
            let query = codec::decode_query(body).expect("our own");
            json!({ "type": "query", "ltime": query.ltime, "name": query.name })
        }
        SerfMessageType::PushPull
        | SerfMessageType::QueryResponse
        | SerfMessageType::ConflictResponse
        | SerfMessageType::KeyRequest
        | SerfMessageType::KeyResponse
        | SerfMessageType::Relay => panic!("{kind:?} is never queued"),
    };
    (kind, described)
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

/// What the script expects, with lists whose order means nothing sorted, and without what is only a remark.
fn expected(after: &Value) -> Value {
    let mut after = after.clone();
    let fields = after.as_object_mut().expect("an object");
    fields.remove("result");
    for list in ["failed_list", "left_list", "queued_intents", "queued_queries", "queued_events"] {
        let items = fields[list].as_array().cloned().unwrap_or_default();
        fields[list] = sorted(items);
    }
    after
}

#[test]
fn recorded_scripts() {
    let vectors = crate::testing::serf_vectors();
    let scripts = vectors["scenarios"].as_array().expect("a list");
    assert!(scripts.len() >= 21);
    for script in scripts {
        let mut run = Script::new(&script["config"]);
        for (number, step) in script["steps"].as_array().expect("a list").iter().enumerate() {
            run.step(step);
            let context = format!("{}, step {number}: {}", script["name"], step["op"]);
            let (found, expected) = (run.after(), expected(&step["after"]));
            assert_eq!(found, expected, "{context}\n{step:#}");
        }
    }
}

#[test]
fn recorded_figures_of_a_fresh_node() {
    let vectors = crate::testing::serf_vectors();
    for (key, coordinates) in
        [("stats_of_a_fresh_node", true), ("stats_of_a_fresh_node_without_coordinates", false)]
    {
        let config = Options { coordinates, ..Options::lan() }.validate().expect("valid");
        let me = Identity::new("n1", "127.0.0.1:7946".parse().expect("an address")).expect("valid");
        let (mut pool, mut out) = (Pool::new(1), Outbox::new());
        let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
        let node = Node::new(Arc::new(config), me, [1; 32], &mut cx);
        let pairs = node.info().pairs().into_iter();
        let found: Map<String, Value> =
            pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        assert_eq!(Value::Object(found), vectors[key], "{key}");
    }
}
