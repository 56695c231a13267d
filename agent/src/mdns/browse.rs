//! One round of asking: the question, and the members that can be made out of the answers.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// How many instances, and how many hosts, one round remembers. Further ones are ignored until the next round.
const MAX_INSTANCES: usize = 4096;

/// How many instances one round asks for again.
const MAX_FOLLOW_UPS: usize = 64;

/// What is known of an instance. It can be used once all of it is.
#[derive(Debug, Default)]
struct Entry {
    port: u16,
    host: Option<Name>,
    text: bool,
    asked: bool,
    addr: Option<SocketAddr>,
}

impl Entry {
    /// The member's address, once all is known.
    fn complete(&self, name: &Name, hosts: &HashMap<Name, IpAddr>) -> Option<SocketAddr> {
        if self.port == 0 || !self.text {
            return None;
        }
        let host = self.host.as_ref().and_then(|host| hosts.get(host));
        host.or_else(|| hosts.get(name)).map(|ip| SocketAddr::new(*ip, self.port))
    }
}

/// What is known after some answers of one round.
#[derive(Debug)]
pub(super) struct Browse {
    service: Name,
    open: HashMap<Name, Entry>,
    done: HashSet<Name>,
    hosts: HashMap<Name, IpAddr>,
    asked: usize,
}

/// What a message taught.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Learnt {
    /// Members' addresses.
    pub(super) found: Vec<SocketAddr>,
    /// Instances to ask about, for they are incomplete.
    pub(super) ask: Vec<Name>,
}

/// The question who is there: for the instances of a service, or for one instance.
pub(super) fn question(name: Name, id: u16) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name, RecordType::PTR));
    message
}

impl Browse {
    pub(super) fn new(service: Name) -> Self {
        Self {
            service,
            open: HashMap::new(),
            done: HashSet::new(),
            hosts: HashMap::new(),
            asked: 0,
        }
    }

    /// Takes what a message says. As in Serf its id and flags do not matter, nor in which order or in how many messages
    /// the records come; unlike there only instances of the own service count.
    pub(super) fn take(&mut self, message: &Message) -> Learnt {
        for record in message.answers.iter().chain(&message.additionals) {
            self.note(record);
        }
        let mut ask = Vec::new();
        let complete = self.open.extract_if(|name, entry| {
            entry.addr = entry.complete(name, &self.hosts);
            if entry.addr.is_none() && !entry.asked && self.asked < MAX_FOLLOW_UPS {
                entry.asked = true;
                self.asked += 1;
                ask.push(name.clone());
            }
            entry.addr.is_some()
        });
        let mut found = Vec::new();
        for (name, entry) in complete {
            found.extend(entry.addr);
            self.done.insert(name);
        }
        Learnt { found, ask }
    }

    fn note(&mut self, record: &Record) {
        if let Some(ip) = record.data.ip_addr() {
            if self.hosts.len() < MAX_INSTANCES || self.hosts.contains_key(&record.name) {
                self.hosts.insert(record.name.clone(), ip.to_canonical());
            }
        } else if let RData::PTR(instance) = &record.data {
            if record.name == self.service {
                self.entry(&instance.0);
            }
        } else if let RData::SRV(location) = &record.data {
            if let Some(entry) = self.entry(&record.name) {
                entry.port = location.port;
                entry.host = Some(location.target.clone());
            }
        } else if let RData::TXT(_) = &record.data
            && let Some(entry) = self.entry(&record.name)
        {
            entry.text = true;
        }
    }

    /// The entry of an instance of the own service that is not used yet.
    fn entry(&mut self, name: &Name) -> Option<&mut Entry> {
        let own = self.service.zone_of(name) && *name != self.service;
        let known = self.open.contains_key(name);
        let room = self.open.len() + self.done.len() < MAX_INSTANCES;
        if !own || self.done.contains(name) || !(known || room) {
            return None;
        }
        Some(self.open.entry(name.clone()).or_default())
    }
}
