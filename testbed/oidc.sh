#!/usr/bin/env bash
# oidc.sh start|stop|status|url|log
#
# A real OpenID provider (npm's oidc-provider) on loopback, to sign in at by hand. The tests start
# their own (crates/server/tests/it/real_oidc).
#   start   starts it, waits until it answers, prints its issuer. Running: fine.
#   stop    stops it. Not running: fine.
#   status  prints running or stopped (exit 0 or 1)
#   url     prints its issuer, such as http://127.0.0.1:15556
#   log     prints its log
# Client: switchhook, secret "a secret with: signs & spaces", redirect address
# $TESTBED_OIDC_REDIRECT (http://127.0.0.1:4000/sign-in/oidc/callback). It asks who signs in and
# takes any password: jan, boss, unverified, or any name.
#
# Environment:  TESTBED_OIDC_PORT (15556), TESTBED_OIDC_REDIRECT, TESTBED_OFFSET,
#               SWITCHHOOK_TESTBED_DIR
# Exit code:    0 done · 1 failed · 2 wrong use · 3 left out (it is not installed)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export TESTBED_OIDC_PORT="${TESTBED_OIDC_PORT:-$((15556 + TESTBED_OFFSET))}"
REDIRECT="${TESTBED_OIDC_REDIRECT:-http://127.0.0.1:4000/sign-in/oidc/callback}"
HOME_DIR="$SWITCHHOOK_TESTBED_DIR/oidc"
PID_FILE="$HOME_DIR/$TESTBED_OIDC_PORT.pid"
LOG="$HOME_DIR/$TESTBED_OIDC_PORT.log"
URL="http://127.0.0.1:$TESTBED_OIDC_PORT"
VERB="${1:-}"

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

# The process we started, if it lives and is still ours.
running() {
  local pid
  pid="$(cat "$PID_FILE" 2>/dev/null)" || return 1
  grep -qa provider.mjs "/proc/$pid/cmdline" 2>/dev/null
}

do_start() {
  if running; then
    say "running $URL"
    return
  fi
  if [ ! -d "$HOME_DIR/node_modules/oidc-provider" ]; then
    box "LEFT OUT: the OpenID provider" "" "to install it:  $TESTBED_HOME/provision.sh oidc"
    exit "$EXIT_LEFT_OUT"
  fi
  export SWITCHHOOK_TESTBED_DIR
  setsid node "$TESTBED_HOME/oidc/provider.mjs" "$REDIRECT" >"$LOG" 2>&1 </dev/null &
  echo $! >"$PID_FILE"
  local i
  for ((i = 0; i < 100; i++)); do
    if grep -q '^listening on ' "$LOG"; then
      say "running $URL"
      return
    fi
    running || break
    sleep 0.1
  done
  tail -n 20 "$LOG" >&2
  die "the provider did not start"
}

do_stop() {
  if running; then kill "$(cat "$PID_FILE")"; fi
  rm -f "$PID_FILE"
  say stopped
}

case "$VERB" in
  start) do_start ;;
  stop) do_stop ;;
  status) if running; then say running; else say stopped && exit 1; fi ;;
  url) say "$URL" ;;
  log) cat "$LOG" ;;
  -h | --help | help) usage ;;
  *) usage >&2 && exit 2 ;;
esac
