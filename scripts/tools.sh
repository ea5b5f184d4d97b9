#!/usr/bin/env bash
# tools.sh: installs the two cargo commands the house uses, from crates.io, when they are missing.
# About five minutes on two cores the first time, nothing afterwards. They are built without
# optimisation: building is what takes the time, not running them.
#
# Exit code: 0 all there · 1 one could not be installed (the message says which)
set -euo pipefail

NEXTEST=0.9.143 # the test runner; without it scripts/test.sh falls back to `cargo test`
DENY=0.20.2     # licences, bans and sources of all crates; deny.toml is written for it

failed=0
ensure() { # ensure COMMAND CRATE VERSION
  if cargo "$1" --version >/dev/null 2>&1; then
    echo "cargo $1: there already: $(cargo "$1" --version | head -n1)"
    return
  fi
  echo "cargo $1: installing $2 $3 from crates.io"
  # outside the repository, so that its toolchain and settings do not matter
  (cd / && cargo install --quiet --locked --debug --version "$3" "$2") || {
    echo "cargo $1: could not be installed" >&2
    failed=1
  }
}

ensure nextest cargo-nextest "$NEXTEST"
ensure deny cargo-deny "$DENY"
exit "$failed"
