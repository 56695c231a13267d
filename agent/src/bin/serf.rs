//! The same program under the name that existing scripts call.

fn main() -> std::process::ExitCode {
    uwasa_agent::main()
}
