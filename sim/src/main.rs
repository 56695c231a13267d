//! The `sim` command. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    uwasa_sim::cli::main()
}
