# Tools of the tests that `just setup` installs, found before the machine's own.
export PATH := justfile_directory() + "/target/ci-venv/bin:" + env_var("PATH")

# what can be done here
default:
    @just --list

# install what the checks use beside Rust (PostgreSQL's programs, schemathesis, Chromium, axe-core) and fetch the crates
setup:
    .ci/run tools
    cargo fetch --locked

# everything on ./scrip-data/scrip.db, built without optimisation
dev:
    cargo run

# what can run on this machine; it says aloud what cannot
test:
    cargo test --workspace

# the README's pictures anew, from the pages as they are
pictures:
    SCRIP_TEST_SCREENSHOTS=web/docs/img cargo test -p tests pictures

# exactly what CI runs
ci:
    .ci/run

# Scrip beside hand-written debits: `just bench` (full), `just bench quick`, `just bench growth`, `just bench overload`. Calls no
# cargo; first: cargo build --release -p scrip -p bench
bench *ARGS:
    "${CARGO_TARGET_DIR:-target}/release/bench" {{ARGS}}
