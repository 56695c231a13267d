//! Nodes and regions: who there is, under which address, and where.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use uwasa_core::tags::Tags;

use super::document::Value;
use super::fault::refuse_after_end;
use super::field::{Field, Table};
use super::problem::{Place, Problems};
use super::select::Names;
use super::tags;
use crate::scenario::{Claim, Claimed, Nanos, NodeIndex, NodeSpec};

/// Most nodes of one scenario.
const NODES_MAX: u64 = 100_000;
/// Port of a node unless the file says otherwise: Serf's.
const PORT_DEFAULT: u16 = 7_946;
const NAME_DEFAULT: &str = "host{n}";
const ADDR_DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const NAME_BYTES_MAX: usize = 128;
/// Most regions: the network keeps a link for every ordered pair.
const REGIONS_MAX: usize = 64;

/// Nodes as read, with the names of the regions.
pub(super) struct Nodes {
    pub(super) specs: Vec<NodeSpec>,
    pub(super) names: Names,
    pub(super) regions: Vec<String>,
    /// Those that take over an address, and where that is written.
    pub(super) takers: Vec<Taker>,
}

/// A node that takes over an address.
pub(super) struct Taker {
    pub(super) node: NodeIndex,
    pub(super) place: Place,
    pub(super) path: String,
}

/// Reads `nodes`, `[[node]]` and `regions`.
pub(super) fn read(
    root: &mut Table<'_>,
    duration: Option<Nanos>,
    problems: &mut Problems<'_>,
) -> Nodes {
    let field = root.required("nodes", "nodes = 10", problems);
    let specs = field.as_ref().and_then(|field| generate(field, problems));
    let complete = specs.is_some();
    let mut specs = specs.unwrap_or_default();
    let names = Names::new(&specs, complete);
    let regions = regions(root.field("regions"), &mut specs, &names, problems);
    let blocks = root.field("node").and_then(|field| field.list("[[node]] blocks", problems));
    let around = Around { names: &names, regions: &regions, duration };
    let mut seen = BTreeSet::new();
    let mut claims = Vec::new();
    for field in blocks.unwrap_or_default() {
        match block(&field, &mut specs, &around, problems) {
            Some(Block::Nodes(nodes)) => {
                for node in nodes.into_iter().filter(|node| !seen.insert(*node)) {
                    let name = names.name(node);
                    field.refuse(
                        format!(
                            "{name} has a [[node]] block already: write one with all of its keys"
                        ),
                        problems,
                    );
                }
            }
            Some(Block::Claim(spec)) => claims.push((*spec, field.place(), field.path.clone())),
            None => {}
        }
    }
    let takers = add_claims(&mut specs, claims);
    if let Some(field) = field {
        check_unique(&field, &specs, problems);
        check_regions(&field, &specs, &regions, problems);
    }
    let names = Names::new(&specs, complete);
    Nodes { specs, names, regions, takers }
}

/// What [[node]] blocks are checked against.
struct Around<'a> {
    names: &'a Names,
    regions: &'a [String],
    duration: Option<Nanos>,
}

/// What a [[node]] block is about.
enum Block {
    /// Nodes that are there.
    Nodes(Vec<NodeIndex>),
    /// One more host, with the name of another; port 0 stands for an address that is to be chosen.
    Claim(Box<NodeSpec>),
}

/// Appends hosts that claim names or addresses, and says which claim addresses. Of those that claim names, the ones
/// without an address get the next one after all others.
fn add_claims(specs: &mut Vec<NodeSpec>, claims: Vec<(NodeSpec, Place, String)>) -> Vec<Taker> {
    let mut takers = Vec::new();
    for (mut claim, place, path) in claims {
        let owner = claim.claim.filter(|claim| claim.what == Claimed::Address);
        if let Some(owner) = owner.and_then(|claim| specs.get(claim.owner as usize)) {
            (claim.addr, claim.advertise) = (owner.addr, owner.addr);
            if let Ok(node) = u32::try_from(specs.len()) {
                takers.push(Taker { node, place, path });
            }
        } else if claim.addr.port() == 0 {
            let highest = specs.iter().map(|spec| spec.addr).max();
            let next = highest.and_then(|addr| Some((nth_address(addr.ip(), 1)?, addr.port())));
            // Past the last address there is none; the clash with the highest one is reported.
            let addr = next.map(SocketAddr::from).or(highest);
            claim.addr = addr.unwrap_or(SocketAddr::new(ADDR_DEFAULT, PORT_DEFAULT));
            if claim.advertise.port() == 0 {
                claim.advertise = claim.addr;
            }
        }
        specs.push(claim);
    }
    takers
}

/// A count, a list of names, or a table.
fn generate(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Vec<NodeSpec>> {
    match &field.item.value {
        Value::Integer(_) => {
            let count = field.integer(1, NODES_MAX, problems)?;
            let first = SocketAddr::new(ADDR_DEFAULT, PORT_DEFAULT);
            build(field, numbered(NAME_DEFAULT, count), first, &Tags::new(), problems)
        }
        Value::Array(_) => {
            let fields = field.list("a list of names", problems)?;
            if fields.len() as u64 > NODES_MAX {
                field.refuse(
                    format!("names {} nodes: at most {NODES_MAX} are possible", fields.len()),
                    problems,
                );
                return None;
            }
            let names: Option<Vec<String>> =
                fields.iter().map(|one| node_name(one, problems)).collect();
            let names = names?;
            if names.is_empty() {
                field.refuse("is empty: a scenario needs at least one node", problems);
                return None;
            }
            let first = SocketAddr::new(ADDR_DEFAULT, PORT_DEFAULT);
            build(field, names, first, &Tags::new(), problems)
        }
        Value::String(_) | Value::Float(_) | Value::Bool(_) | Value::Other(_) | Value::Table(_) => {
            from_table(field, problems)
        }
    }
}

fn from_table(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Vec<NodeSpec>> {
    let mut table =
        field.table("a count, a list of names or a table such as { count = 52 }", problems)?;
    let count = table
        .required("count", "count = 10", problems)
        .and_then(|field| field.integer(1, NODES_MAX, problems));
    let pattern = match table.field("name") {
        Some(field) => name_pattern(&field, count.unwrap_or(1), problems),
        None => Some(NAME_DEFAULT),
    };
    let addr = match table.field("addr") {
        Some(field) => ip(&field, problems),
        None => Some(ADDR_DEFAULT),
    };
    let port = match table.field("port") {
        Some(field) => field.integer(1, 65_535, problems).and_then(|port| port.try_into().ok()),
        None => Some(PORT_DEFAULT),
    };
    let tags = match table.field("tags") {
        Some(field) => tags::read(&field, problems),
        None => Some(Tags::new()),
    };
    table.finish(&[], problems);
    let first = SocketAddr::new(addr?, port?);
    build(field, numbered(pattern?, count?), first, &tags?, problems)
}

fn name_pattern<'a>(field: &Field<'a>, count: u64, problems: &mut Problems<'_>) -> Option<&'a str> {
    let text = field.string("a name with {n} in it, such as \"host{n}\"", problems)?;
    if count > 1 && !text.contains("{n}") {
        field.refuse(
            format!("\"{text}\" gives all {count} nodes the same name: put {{n}} where the number goes, as in \"host{{n}}\""),
            problems,
        );
        return None;
    }
    let longest = numbered_len(text, count);
    if longest == 0 || longest > NAME_BYTES_MAX {
        field.refuse(
            format!("gives names of up to {longest} bytes: names have 1 to {NAME_BYTES_MAX} bytes"),
            problems,
        );
        return None;
    }
    field.refuse_controls(text, problems);
    Some(text)
}

fn node_name(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.string("the name of a node", problems)?;
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        field.refuse(
            format!("is {} bytes long: names have 1 to {NAME_BYTES_MAX} bytes", text.len()),
            problems,
        );
        return None;
    }
    field.refuse_controls(text, problems);
    Some(text.into())
}

/// Bytes of the longest name that [`numbered`] makes.
fn numbered_len(pattern: &str, count: u64) -> usize {
    let (marks, digits) = (pattern.matches("{n}").count(), count.to_string().len());
    pattern.len() - marks * "{n}".len() + marks * digits
}

fn numbered(pattern: &str, count: u64) -> Vec<String> {
    (1..=count).map(|n| pattern.replace("{n}", &n.to_string())).collect()
}

fn build(
    field: &Field<'_>,
    names: Vec<String>,
    first: SocketAddr,
    tags: &Tags,
    problems: &mut Problems<'_>,
) -> Option<Vec<NodeSpec>> {
    let count = names.len();
    let specs: Option<Vec<NodeSpec>> = (0_u32..)
        .zip(names)
        .map(|(index, name)| {
            let addr = SocketAddr::new(nth_address(first.ip(), index)?, first.port());
            let tags = tags.clone();
            Some(NodeSpec { name, addr, advertise: addr, region: 0, tags, claim: None })
        })
        .collect();
    if specs.is_none() {
        field.refuse(
            format!(
                "{count} addresses counted upwards from {} run past the last one: start lower",
                first.ip()
            ),
            problems,
        );
    }
    specs
}

fn nth_address(first: IpAddr, index: u32) -> Option<IpAddr> {
    match first {
        IpAddr::V4(addr) => {
            addr.to_bits().checked_add(index).map(|bits| Ipv4Addr::from_bits(bits).into())
        }
        IpAddr::V6(addr) => {
            addr.to_bits().checked_add(index.into()).map(|bits| Ipv6Addr::from_bits(bits).into())
        }
    }
}

fn ip(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<IpAddr> {
    let text = field.string("an address such as \"192.168.33.10\"", problems)?;
    match text.parse::<IpAddr>() {
        Ok(addr) if !addr.is_unspecified() => Some(addr),
        _ => {
            field.refuse(
                format!("\"{text}\" is no usable address: write one such as \"192.168.33.10\""),
                problems,
            );
            None
        }
    }
}

/// `ip` or `ip:port`; without a port the node keeps its own.
pub(super) fn socket_addr(
    field: &Field<'_>,
    port: u16,
    problems: &mut Problems<'_>,
) -> Option<SocketAddr> {
    if let Value::String(text) = &field.item.value
        && let Ok(addr) = text.parse::<SocketAddr>()
        && addr.port() != 0
        && !addr.ip().is_unspecified()
    {
        return Some(addr);
    }
    ip(field, problems).map(|ip| SocketAddr::new(ip, port))
}

/// Applies one [[node]] block and says what it is about.
fn block(
    field: &Field<'_>,
    specs: &mut [NodeSpec],
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<Block> {
    let mut table = field.table("a [[node]] block", problems)?;
    let region =
        table.field("region").and_then(|field| region_index(&field, around.regions, problems));
    let tags = table.field("tags").and_then(|field| tags::read(&field, problems));
    let claims = table.field("claims").map(|field| (field, Claimed::Name));
    let takes = table.field("takes").map(|field| (field, Claimed::Address));
    if let (Some(_), Some((takes, _))) = (&claims, &takes) {
        takes.refuse("stands beside `claims`: give only one of the two", problems);
        return None;
    }
    if let Some((owner, what)) = claims.or(takes) {
        let spec = claim(&owner, what, &mut table, around, problems);
        let mut hints = vec![("boot", "write at = \"20s\"")];
        if what == Claimed::Address {
            let hint = "it `takes` the address of another node";
            hints.extend(["addr", "advertise"].map(|key| (key, hint)));
        }
        table.finish(&hints, problems);
        let tags = tags.unwrap_or_default();
        return spec
            .map(|spec| NodeSpec { region: region.unwrap_or(0), tags, ..spec })
            .map(|spec| Block::Claim(Box::new(spec)));
    }
    let nodes = if let Some(group) = table.field("nodes") {
        let hint = "it is for a block about one node, with `name`";
        table.finish(&["name", "addr", "advertise", "at"].map(|key| (key, hint)), problems);
        around.names.select(&group, problems)?
    } else {
        let node = one_node(&mut table, specs, around.names, problems);
        table.finish(
            &[("at", "it is for a host that `claims` a name or `takes` an address")],
            problems,
        );
        vec![node?]
    };
    for node in &nodes {
        let Some(spec) = specs.get_mut(*node as usize) else { continue };
        spec.region = region.unwrap_or(spec.region);
        spec.tags = tags.clone().unwrap_or_else(|| spec.tags.clone());
    }
    Some(Block::Nodes(nodes))
}

/// Applies the addresses of a block about one node.
fn one_node(
    table: &mut Table<'_>,
    specs: &mut [NodeSpec],
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<NodeIndex> {
    let node = table
        .required("name", "name = \"host1\"", problems)
        .and_then(|field| names.node(&field, problems));
    let spec = node.and_then(|node| specs.get_mut(node as usize));
    let port = spec.as_ref().map_or(PORT_DEFAULT, |spec| spec.addr.port());
    let addr = table.field("addr").and_then(|field| socket_addr(&field, port, problems));
    let advertise = table
        .field("advertise")
        .and_then(|field| socket_addr(&field, addr.map_or(port, |addr| addr.port()), problems));
    let spec = spec?;
    if let Some(addr) = addr {
        spec.addr = addr;
        spec.advertise = addr;
    }
    spec.advertise = advertise.unwrap_or(spec.advertise);
    node
}

/// One more host, which starts with the name, or takes over the address, of another.
fn claim(
    claims: &Field<'_>,
    what: Claimed,
    table: &mut Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<NodeSpec> {
    let owner = around.names.node(claims, problems);
    let boot = table.required("at", "at = \"20s\", when it boots", problems).and_then(|field| {
        let at = field.duration(problems)?;
        refuse_after_end(&field, at, around.duration, problems);
        Some(at)
    });
    let example = "name = \"rogue\", what the scenario calls it";
    let name = table.required("name", example, problems).and_then(|field| {
        let name = node_name(&field, problems)?;
        if around.names.is_known(&name) {
            field.refuse(
                format!(
                    "\"{name}\" is the name of a node already: call the host that claims {} something else",
                    if what == Claimed::Name { "a name" } else { "an address" }
                ),
                problems,
            );
            return None;
        }
        Some(name)
    });
    let unset = SocketAddr::new(ADDR_DEFAULT, 0);
    if what == Claimed::Address {
        let claim = Some(Claim { owner: owner?, what, boot: boot? });
        let tags = Tags::new();
        return Some(NodeSpec {
            name: name?,
            addr: unset,
            advertise: unset,
            region: 0,
            tags,
            claim,
        });
    }
    let addr = table.field("addr").map(|field| socket_addr(&field, PORT_DEFAULT, problems));
    let addr = addr.map_or(Some(unset), |addr| addr)?;
    let port = if addr.port() == 0 { PORT_DEFAULT } else { addr.port() };
    let advertise = table.field("advertise").map(|field| socket_addr(&field, port, problems));
    let advertise = advertise.map_or(Some(addr), |advertise| advertise)?;
    let claim = Some(Claim { owner: owner?, what, boot: boot? });
    Some(NodeSpec { name: name?, addr, advertise, region: 0, tags: Tags::new(), claim })
}

/// `["eu", "us"]`, or tables that also say who lives there.
fn regions(
    field: Option<Field<'_>>,
    specs: &mut [NodeSpec],
    names: &Names,
    problems: &mut Problems<'_>,
) -> Vec<String> {
    let Some(field) = field else { return vec!["default".into()] };
    let mut regions = Vec::new();
    let mut fields = field.list("a list such as [\"eu\", \"us\"]", problems).unwrap_or_default();
    if fields.len() > REGIONS_MAX {
        field.refuse(
            format!("has {} regions: at most {REGIONS_MAX} are possible", fields.len()),
            problems,
        );
        fields.truncate(REGIONS_MAX);
    }
    for one in fields {
        let index = u16::try_from(regions.len()).unwrap_or(u16::MAX);
        let name = if let Value::String(text) = &one.item.value {
            Some(text.clone())
        } else {
            region_table(&one, index, specs, names, problems)
        };
        let Some(name) = name else { continue };
        one.refuse_controls(&name, problems);
        if regions.contains(&name) {
            one.refuse(format!("region \"{name}\" is there already"), problems);
        } else {
            regions.push(name);
        }
    }
    if regions.is_empty() {
        field.refuse("names no region: leave it out for a single one", problems);
        regions.push("default".into());
    }
    regions
}

fn region_table(
    field: &Field<'_>,
    index: u16,
    specs: &mut [NodeSpec],
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let wanted = "a name or a table such as { name = \"eu\", nodes = [\"host1..host9\"] }";
    let mut table = field.table(wanted, problems)?;
    let name = table
        .required("name", "name = \"eu\"", problems)
        .and_then(|field| field.string("a name", problems));
    let nodes = table.field("nodes").and_then(|field| names.select(&field, problems));
    table.finish(&[], problems);
    for node in nodes.unwrap_or_default() {
        if let Some(spec) = specs.get_mut(node as usize) {
            spec.region = index;
        }
    }
    name.map(Into::into)
}

/// Index of a region by its name.
pub(super) fn region_index(
    field: &Field<'_>,
    regions: &[String],
    problems: &mut Problems<'_>,
) -> Option<u16> {
    let text = field.string("the name of a region", problems)?;
    let found = regions.iter().position(|name| name == text);
    if found.is_none() {
        field.refuse(
            format!("unknown region \"{text}\": the scenario has {}", regions.join(", ")),
            problems,
        );
    }
    found.and_then(|index| u16::try_from(index).ok())
}

fn check_unique(field: &Field<'_>, specs: &[NodeSpec], problems: &mut Problems<'_>) {
    let mut by_name: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    by_name.sort_unstable();
    if let Some(pair) = by_name.windows(2).find(|pair| pair[0] == pair[1]) {
        field.refuse(format!("two nodes are named \"{}\": names are unique", pair[0]), problems);
    }
    let takes = |spec: &&NodeSpec| spec.claim.is_some_and(|it| it.what == Claimed::Address);
    let holders = specs.iter().filter(|spec| !takes(spec));
    let mut by_addr: Vec<SocketAddr> = holders.map(|spec| spec.addr).collect();
    by_addr.sort_unstable();
    if let Some(pair) = by_addr.windows(2).find(|pair| pair[0] == pair[1]) {
        field.refuse(
            format!(
                "two nodes have the address {}: each needs its own (to announce a shared one, use `advertise`)",
                pair[0]
            ),
            problems,
        );
    }
}

fn check_regions(
    field: &Field<'_>,
    specs: &[NodeSpec],
    regions: &[String],
    problems: &mut Problems<'_>,
) {
    for (index, name) in regions.iter().enumerate() {
        if !specs.is_empty() && !specs.iter().any(|spec| usize::from(spec.region) == index) {
            field.refuse(
                format!(
                    "no node is in region \"{name}\": write regions = [{{ name = \"{name}\", nodes = [\"host1..host9\"] }}]"
                ),
                problems,
            );
        }
    }
}
