use std::process::ExitCode;

fn main() -> ExitCode {
    scrip::run(scrip::Faults::default())
}
