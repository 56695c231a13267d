//! `-discover` finds the other program's agents.

use crate::world::{BOTH_WAYS, Wire, World, at_once, has_peer, multicast_works, skip};

#[test]
fn each_side_discovers_the_other() {
    let test = "each_side_discovers_the_other";
    if !has_peer(test) {
        return;
    }
    if let Err(error) = multicast_works() {
        return skip(test, &format!("multicast does not work here: {error}"));
    }
    at_once(&BOTH_WAYS, |&(first, second)| {
        let world = World::new(Wire::Plain);
        let name = format!("-discover={}", world.unique());
        let host = world.agent(first, "host").with(&name).start();
        host.terminal.shows("[INFO] agent.mdns: Joined 1 hosts");
        let guest = world.agent(second, "guest").with(&name).start();
        guest.terminal.shows("[INFO] agent.mdns: Joined 2 hosts");
        // Another cluster on the same wire.
        let other = world.agent(second, "other").with(format!("{name}-other")).start();
        other.terminal.shows("[INFO] agent.mdns: Joined 1 hosts");
        for member in ["host", "guest"] {
            world.all_see(&[&host, &guest], member, "alive");
        }
        assert_eq!(other.members().len(), 1);
        assert_eq!(host.members().len(), 2);
    });
}
