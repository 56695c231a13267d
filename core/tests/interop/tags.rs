//! Tags of both sides: several, changed, emptied, deleted.

use std::collections::BTreeMap;

use uwasa_core::wire;

use super::*;

/// The tags we see at an agent.
fn seen(view: &View, name: &str) -> BTreeMap<String, String> {
    let meta = view.members.get(name).map(|seen| seen.meta.clone()).unwrap_or_default();
    let tags = wire::tags::decode(&meta);
    tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn map(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
    tags.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Waits until we see these tags at `agent`.
fn wait_for_tags(us: &Driver, agent: &Agent, tags: &[(&str, &str)]) {
    let expected = map(tags);
    wait_for_us(us, &format!("tags {tags:?}"), |view| seen(view, &agent.name) == expected);
}

/// Sets our tags and waits until `agents` show them.
fn set(us: &Driver, agents: &[&Agent], tags: &[(&str, &str)]) {
    let ours: Tags = tags.iter().copied().collect();
    assert_eq!(answer(us, Command::SetTags(ours)), Ok(Reply::TagsSet));
    for agent in agents {
        wait_for(&format!("{} shows {tags:?}", agent.name), || {
            agent.member(US).filter(|shown| shown["tags"] == json!(map(tags)))
        });
    }
}

/// The members that `serf members` lists with these filters.
fn listed(agent: &Agent, filters: &[&str]) -> Vec<String> {
    let output = agent.must("members", filters);
    let names = output.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// An agent starts with several tags; it changes, empties, adds and deletes some. We see each state, and one update for
/// each change.
#[test]
fn we_see_the_tags_of_an_agent() {
    thrice(we_see_the_tags_of_an_agent_once);
}

fn we_see_the_tags_of_an_agent_once() {
    let Some(lab) = Lab::open("we_see_the_tags_of_an_agent", 35, PLAIN) else { return };
    let us = lab.us();
    let tags = ["role=web", "zone=Köln 1", "empty=", "equals=a=b,c"];
    let setup = Setup { join: Some(us.addr), tags: &tags, ..Setup::default() };
    let agent = lab.agent_with(1, &setup);
    wait_for_full_house(&us, &[&agent]);
    let kept = [("empty", ""), ("equals", "a=b,c")];
    wait_for_tags(&us, &agent, &[&kept[..], &[("role", "web"), ("zone", "Köln 1")]].concat());
    agent.must("tags", &["-set", "role=", "-set", "new=1", "-delete", "zone"]);
    wait_for_tags(&us, &agent, &[&kept[..], &[("role", ""), ("new", "1")]].concat());
    agent.must("tags", &["-delete", "new", "-delete", "equals", "-delete", "empty"]);
    wait_for_tags(&us, &agent, &[("role", "")]);
    agent.must("tags", &["-delete", "role"]);
    wait_for_tags(&us, &agent, &[]);
    assert_eq!(story(&us.look(), &agent.name), ["Join", "Update", "Update", "Update"]);
    assert_eq!(agent.story(&agent.name), ["Join", "Update", "Update", "Update"]);
    assert_mutual_understanding(&us, &[&agent]);
}

/// Our tags, set, changed, emptied and deleted, as agents show and filter them.
#[test]
fn agents_see_our_tags() {
    thrice(agents_see_our_tags_once);
}

fn agents_see_our_tags_once() {
    let Some(lab) = Lab::open("agents_see_our_tags", 36, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    let agents = [&first, &second];
    set(&us, &agents, &[("role", "uwasa"), ("zone", "Köln 1"), ("empty", ""), ("equals", "a=b,c")]);
    for agent in agents {
        assert_eq!(listed(agent, &["-tag", "role=uwasa"]), [US]);
        assert_eq!(listed(agent, &["-tag", "role=uw.*", "-tag", "zone=.*1"]), [US]);
        assert_eq!(listed(agent, &["-tag", "role=w.*"]).len(), 2);
        assert_eq!(listed(agent, &["-tag", "role=uwasa", "-status", "failed"]).len(), 0);
    }
    set(&us, &agents, &[("role", ""), ("new", "1")]);
    set(&us, &agents, &[]);
    set(&us, &agents, &[("role", &"x".repeat(500))]);
    for agent in agents {
        wait_for("four updates", || (agent.story(US).len() >= 5).then_some(()));
        assert_eq!(agent.story(US), ["Join", "Update", "Update", "Update", "Update"]);
        agent.wait_for_log(&handled("update", US));
    }
    assert_eq!(story(&us.look(), US), ["Join", "Update", "Update", "Update", "Update"]);
    let too_long: Tags = [("role", "x".repeat(505))].into_iter().collect();
    assert!(matches!(
        answer(&us, Command::SetTags(too_long)),
        Err(OpError::TagsTooLarge { size: 515, limit: 512 })
    ));
    assert_mutual_understanding(&us, &agents);
}

/// The same tags set again are no update, on neither side.
#[test]
fn tags_set_again_are_no_update() {
    thrice(tags_set_again_are_no_update_once);
}

fn tags_set_again_are_no_update_once() {
    let Some(lab) = Lab::open("tags_set_again_are_no_update", 37, PLAIN) else { return };
    let (us, agent) = lab.pair(lab.options());
    agent.must("tags", &["-set", "role=web"]);
    agent.must("tags", &["-set", "role=db"]);
    wait_for_tags(&us, &agent, &[("role", "db")]);
    set(&us, &[&agent], &[("role", "x")]);
    set(&us, &[&agent], &[("role", "x")]);
    set(&us, &[&agent], &[("role", "y")]);
    assert_eq!(story(&us.look(), US), ["Join", "Update", "Update"]);
    assert_eq!(agent.story(US), ["Join", "Update", "Update"]);
    assert_eq!(story(&us.look(), &agent.name), ["Join", "Update"]);
    assert_eq!(agent.story(&agent.name), ["Join", "Update"]);
    assert_mutual_understanding(&us, &[&agent]);
}
