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

# what a price, a decision and the limits cost before the database, with their allocations
micro:
    cargo bench -p bench --bench decisions

# Scrip beside hand-written debits: `just bench` (full), or with quick, growth or overload. Calls no
# cargo; first: cargo build --release -p scrip -p bench
bench *ARGS:
    "${CARGO_TARGET_DIR:-target}/release/bench" {{ARGS}}

# a bank under faults, long: `just torture --minutes 600`. Goes on where it ended; writes web/docs/reliability.md
torture *ARGS:
    cargo build --release -p tests --bins
    "${CARGO_TARGET_DIR:-target}/release/torture" {{ARGS}}

# how good the risk scores are: `just risk-eval DIR` for one set, without DIR both public sets beside PyOD and
# scikit-learn. Calls no cargo; first: cargo build --release -p risk-eval
risk-eval *ARGS:
    "${CARGO_TARGET_DIR:-target}/release/risk-eval" {{ARGS}}
