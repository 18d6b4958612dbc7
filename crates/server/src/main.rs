//! The command line of the ticket server.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::run()
}
