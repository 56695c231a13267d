//! Two agents under one name: the minority ends, the members that knew the name keep it.

use crate::world::{BOTH_WAYS, Kind, Wire, World, at_once, has_peer};

#[test]
fn the_second_of_a_name_ends() {
    if !has_peer("the_second_of_a_name_ends") {
        return;
    }
    at_once(&BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Plain);
        // Three that know the name, so that one late vote does not turn the result.
        let ours = world.agent(Kind::Ours, "x1").start();
        let peer = world.agent(Kind::Peer, "x2").joining(&ours).start();
        let third = world.agent(first, "x3").joining(&ours).start();
        let known = world.agent(first, "dup").joining(&ours).start();
        for name in ["x1", "x2", "x3", "dup"] {
            world.all_see(&[&ours, &peer, &third, &known], name, "alive");
        }

        let mut late = world.agent(second, "dup").joining(&ours).launch();
        late.terminal.shows("serf: minority in name conflict resolution, quitting");
        assert_eq!(late.terminal.ends(), Some(0));
        let shown = late.terminal.shown();
        for record in [
            format!(
                "[ERR] memberlist: Conflicting address for dup. Mine: {}:7946 Theirs: {}:7946",
                late.ip, known.ip
            ),
            format!(
                "[ERR] serf: Node name conflicts with another node at {}:7946. Names must be unique!",
                known.ip
            ),
            "[WARN] serf: minority in name conflict resolution, quitting".to_owned(),
            "[WARN] agent: Serf shutdown detected, quitting".to_owned(),
            "[INFO] agent: shutdown complete".to_owned(),
        ] {
            assert!(shown.contains(&record), "{record} is missing: {shown}");
        }
        for agent in [&ours, &peer, &known] {
            assert_eq!(agent.members()["dup"]["addr"], format!("{}:7946", known.ip));
            assert_eq!(agent.members()["dup"]["status"], "alive");
        }
        ours.terminal.shows("[WARN] serf: Name conflict for 'dup' both");
    });
}
