//! What one agent announces, and the answers to questions about it.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use smallvec::SmallVec;

use super::name;
use crate::go::address::canonical;

/// How long an answer is good, in seconds.
const TTL: u32 = 120;

/// How many questions of one message are answered: a reply stays smaller than a packet.
const MAX_QUESTIONS: usize = 16;

/// The bit of a question's class that asks for an answer to the asker alone.
const UNICAST: u16 = 0x8000;

/// The name under which all services of a network are listed.
const SERVICES: &str = "_services._dns-sd._udp.local.";

/// The records of one agent. A name that DNS cannot carry is `None`, and nothing is answered that needs it.
#[derive(Debug)]
pub(super) struct Zone {
    service: Option<Name>,
    instance: Option<Name>,
    host: Option<Name>,
    services: Option<Name>,
    addr: SocketAddr,
    text: String,
}

impl Zone {
    /// `host` is the name of the machine, without a domain.
    pub(super) fn new(cluster: &str, node: &str, host: &str, addr: SocketAddr) -> Self {
        let service = service(cluster);
        Self {
            instance: name::parse(&format!("{node}.{service}")),
            service: name::parse(&service),
            host: name::parse(&format!("{host}.")),
            services: name::parse(SERVICES),
            addr: canonical(addr),
            text: format!("Serf '{cluster}' cluster"),
        }
    }

    /// The name of the cluster's service.
    pub(super) fn service(&self) -> Option<&Name> {
        self.service.as_ref()
    }

    /// The replies to a message: to questions without the unicast bit, then to those with it. Empty: silence.
    pub(super) fn answer(&self, request: &Message) -> SmallVec<[Message; 2]> {
        let plain = request.op_code == OpCode::Query
            && request.response_code == ResponseCode::NoError
            && !request.truncation;
        let mut replies = SmallVec::new();
        if !plain {
            return replies;
        }
        for unicast in [false, true] {
            let records: Vec<_> = request
                .queries
                .iter()
                .take(MAX_QUESTIONS)
                .filter(|query| (u16::from(query.query_class()) & UNICAST != 0) == unicast)
                .flat_map(|query| self.records(query).unwrap_or_default())
                .collect();
            if !records.is_empty() {
                let id = if unicast { request.id } else { 0 };
                let mut reply = Message::new(id, MessageType::Response, OpCode::Query);
                reply.metadata.authoritative = true;
                reply.insert_answers(records);
                replies.push(reply);
            }
        }
        replies
    }

    /// The answers to one question. Its class does not matter, but the case of its name does, as in Serf.
    fn records(&self, query: &Query) -> Option<Vec<Record>> {
        let kind = query.query_type();
        let wanted = |other: RecordType| kind == other || kind == RecordType::ANY;
        let about = |name: &Option<Name>| {
            name.as_ref().is_some_and(|name| name.eq_ignore_root_case(query.name()))
        };
        let mut records = Vec::new();
        if about(&self.services) {
            if wanted(RecordType::PTR) {
                records.push(pointer(self.services.as_ref()?, self.service.as_ref()?));
            }
        } else if about(&self.service) {
            if wanted(RecordType::PTR) {
                records.push(pointer(self.service.as_ref()?, self.instance.as_ref()?));
                records.extend([self.location()?, self.address()?, self.description()?]);
            }
        } else if about(&self.instance) {
            if wanted(RecordType::SRV) {
                records.push(self.location()?);
            }
            if wanted(RecordType::SRV) || kind == self.address_type() {
                records.push(self.address()?);
            }
            if wanted(RecordType::TXT) {
                records.push(self.description()?);
            }
        } else if about(&self.host) && kind == self.address_type() {
            records.push(self.address()?);
        }
        Some(records)
    }

    fn address_type(&self) -> RecordType {
        if self.addr.is_ipv4() { RecordType::A } else { RecordType::AAAA }
    }

    fn location(&self) -> Option<Record> {
        let data = SRV::new(10, 1, self.addr.port(), self.host.clone()?);
        Some(Record::from_rdata(self.instance.clone()?, TTL, RData::SRV(data)))
    }

    fn address(&self) -> Option<Record> {
        let data = match self.addr.ip() {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        Some(Record::from_rdata(self.host.clone()?, TTL, data))
    }

    fn description(&self) -> Option<Record> {
        let data = RData::TXT(TXT::new(vec![self.text.clone()]));
        Some(Record::from_rdata(self.instance.clone()?, TTL, data))
    }
}

/// The service of a cluster, as text.
fn service(cluster: &str) -> String {
    format!("_serf_{cluster}._tcp.local.")
}

fn pointer(from: &Name, to: &Name) -> Record {
    Record::from_rdata(from.clone(), TTL, RData::PTR(PTR(to.clone())))
}
