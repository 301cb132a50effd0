#!/usr/bin/env bash
# Sets up what the tests need on a Debian-like machine with a Rust toolchain, and runs all of them.
# Repeatable; installs only what is missing; leaves no process behind.
set -euo pipefail
cd "$(dirname "$0")/.."

. tests/packages.sh
need redis-server:redis-server redis-sentinel:redis-sentinel redis-cli:redis-tools haproxy:haproxy cc:gcc socat:socat ss:iproute2

cargo test --workspace --no-fail-fast "$@"
