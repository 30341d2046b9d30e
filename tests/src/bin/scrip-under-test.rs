//! The product as the tests start it: the same as `scrip` unless `SCRIP_TEST_FAULT` breaks it on purpose,
//! so that a test can show that it would notice.

use std::process::ExitCode;

use scrip::Faults;

const VARIABLE: &str = "SCRIP_TEST_FAULT";

fn main() -> ExitCode {
    let fault = std::env::var(VARIABLE).unwrap_or_default();
    let faults = match fault.as_str() {
        "" => Faults::default(),
        "ignores_fence" => Faults { ignores_fence: true, ..Faults::default() },
        "ignores_keys" => Faults { ignores_keys: true, ..Faults::default() },
        "answers_early" => Faults { answers_early: true, ..Faults::default() },
        other => {
            eprintln!("{VARIABLE}={other}: there is no such fault");
            return ExitCode::FAILURE;
        }
    };
    scrip::run(faults)
}
