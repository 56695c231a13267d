//! The binary under its own name; see `serf.rs` for the other one.

fn main() -> std::process::ExitCode {
    uwasa_agent::main()
}
