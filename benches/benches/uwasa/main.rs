//! All benches of the core and the simulator, one module per subject. `benches/README.md` says how to run and read them.

mod engine;
mod merge;
mod packet;
mod queue;
mod resident;
mod seeds;
mod settings;
mod table;
mod wheel;
mod wire;
mod world;

use std::io;

fn main() -> io::Result<()> {
    if let Some(scenario) = resident::asked() {
        return resident::answer(&scenario);
    }
    let mut criterion = settings::criterion();
    wire::benches(&mut criterion);
    packet::benches(&mut criterion);
    merge::benches(&mut criterion);
    queue::benches(&mut criterion);
    table::benches(&mut criterion);
    wheel::benches(&mut criterion);
    engine::benches(&mut criterion);
    seeds::benches(&mut criterion);
    let rows = world::benches(&mut criterion);
    criterion.final_summary();
    world::print(&rows, &mut io::stdout().lock())
}
