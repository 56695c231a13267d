//! `members`: lists the members of a cluster.

mod watch;

use core::time::Duration;
use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::ArgMatches;
use serde::Serialize;

use super::call::Call;
use super::output::encode;
use super::rpc::{self, Outcome, Stop};
use crate::go::{columns, flags};
use crate::rpc::client::{Client, ClientError, Member, Texts};

/// Shortest interval of a live view.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("members")
        .arg(flags::switch("detailed"))
        .arg(flags::text("format").default_value("text"))
        .arg(flags::text("name"))
        .arg(flags::text("role"))
        .arg(flags::text("status"))
        .arg(flags::list("tag"))
        .arg(flags::switch("watch"))
        .arg(flags::duration("watch-interval").default_value("1s"));
    rpc::run(call, command, members)
}

async fn members(matches: &ArgMatches) -> Outcome {
    let role = rpc::text(matches, "role");
    if !role.is_empty() {
        rpc::say("Deprecation warning: 'Role' has been replaced with 'Tags'")?;
    }
    let mut view = View {
        tags: rpc::pairs(matches, "tag")?,
        status: rpc::text(matches, "status"),
        name: rpc::text(matches, "name"),
        format: rpc::text(matches, "format"),
        detailed: rpc::is_set(matches, "detailed"),
    };
    if !role.is_empty() {
        view.tags.insert("role".to_owned(), role.to_owned());
    }
    if rpc::is_set(matches, "watch") {
        let nanoseconds = matches.get_one::<i64>("watch-interval").copied().unwrap_or_default();
        let interval = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default());
        return watch::watch(&view, &rpc::endpoint(matches), interval.max(INTERVAL_MIN)).await;
    }
    let mut client = rpc::connect(matches).await?;
    let members = view.fetch(&mut client).await.map_err(rpc::failed("Error retrieving members"))?;
    rpc::say(view.render(&members)?)?;
    Ok(())
}

/// Which members are shown, and how.
struct View<'a> {
    tags: Texts,
    status: &'a str,
    name: &'a str,
    format: &'a str,
    detailed: bool,
}

impl View<'_> {
    /// The members in the order of their names.
    async fn fetch(&self, client: &mut Client) -> Result<Vec<Member>, ClientError> {
        let mut members = client.members_filtered(&self.tags, self.status, self.name).await?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(members)
    }

    fn render(&self, members: &[Member]) -> Result<String, Stop> {
        let answer = Answer { members: members.iter().map(Entry::from).collect() };
        encode(self.format, &answer, || {
            let lines: Vec<String> = members.iter().map(|member| self.line(member)).collect();
            columns::format(&lines)
        })
    }

    fn line(&self, member: &Member) -> String {
        let tags: Vec<String> =
            member.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut line =
            format!("{}|{}|{}|{}", member.name, member.socket(), member.status, tags.join(","));
        if self.detailed {
            let [min, max, current] = member.delegate;
            line.push_str(&format!(
                "|Protocol Version: {current}|Available Protocol Range: [{min}, {max}]"
            ));
        }
        line
    }
}

/// The answer in JSON.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(serialize_with = "null_if_empty")]
    members: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    addr: String,
    port: u16,
    tags: &'a Texts,
    status: &'a str,
    protocol: BTreeMap<&'static str, u8>,
}

impl<'a> From<&'a Member> for Entry<'a> {
    fn from(member: &'a Member) -> Self {
        let [min, max, version] = member.delegate;
        Self {
            name: &member.name,
            addr: member.socket(),
            port: member.port,
            tags: &member.tags,
            status: &member.status,
            protocol: BTreeMap::from([("max", max), ("min", min), ("version", version)]),
        }
    }
}

fn null_if_empty<S: serde::Serializer>(
    members: &[Entry<'_>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if members.is_empty() { serializer.serialize_none() } else { members.serialize(serializer) }
}
