//! Ten nodes, halted and restarted one by one.

use crate::world::{Agent, Kind::Ours, Wire, World};

#[test]
fn ten_nodes_are_halted_and_restarted_one_by_one() {
    let world = World::new(Wire::Plain);
    let spec = |name: &str| world.agent(Ours, name).with("-profile=local").tag("role=node");
    let mut agents: Vec<Agent> = Vec::new();
    for number in 0..10 {
        let spec = spec(&format!("node{number}"));
        let agent = match agents.first() {
            Some(first) => spec.joining(first).start(),
            None => spec.start(),
        };
        agents.push(agent);
    }
    let names: Vec<_> = agents.iter().map(|agent| agent.name.clone()).collect();
    for agent in &agents {
        for name in &names {
            agent.sees(name, "alive");
        }
    }

    for number in 0..10 {
        // Some say goodbye, others die.
        let status = if number % 4 == 0 {
            agents[number].halt();
            "failed"
        } else {
            assert_eq!(agents[number].interrupt(), Some(0));
            "left"
        };
        let name = &names[number];
        for agent in agents.iter().filter(|agent| agent.name != *name) {
            agent.sees(name, status);
            let alive = agent.does(&["members", "-status=alive"]);
            assert_eq!(alive.lines().count(), 9, "{alive}");
        }
        let ip = agents[number].ip;
        let mut neighbour = spec(name).at(ip).joining(&agents[(number + 1) % 10]).start();
        std::mem::swap(&mut agents[number], &mut neighbour);
        for agent in &agents {
            agent.sees(name, "alive");
        }
    }
    for agent in &agents {
        for name in &names {
            agent.sees(name, "alive");
            agent.sees_tags(name, &[("role", "node")]);
        }
    }
}
