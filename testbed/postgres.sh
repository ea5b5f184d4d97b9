#!/usr/bin/env bash
# postgres.sh start|stop|kill|clean|status|url|log
#
# A throw-away PostgreSQL cluster on loopback for tests.
#   start   makes it if there is none, starts it, waits until it answers, prints its URL. Running: fine.
#   stop    stops it and keeps its data. Not running: fine.
#   kill    SIGKILL to the server, as a machine fails; start recovers
#   clean   stops it and removes its data
#   status  prints running or stopped (exit 0 or 1)
#   url     prints postgres://switchhook@127.0.0.1:15432/postgres
#   log     prints its log
# Everybody on loopback may connect without a password: as switchhook, an ordinary role as a server
# should have, who may make databases and owns this one, so that row-level security holds for the
# tests; or as admin, a superuser. max_connections 200, fsync on (durability is what the tests
# measure), PostgreSQL's defaults for the rest.
#
# Environment:  TESTBED_PG_PORT (15432), TESTBED_OFFSET, SWITCHHOOK_TESTBED_DIR
# Exit code:    0 done · 1 failed · 2 wrong use · 3 left out (no PostgreSQL here)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BASE="$SWITCHHOOK_TESTBED_DIR/pg"
HOME_DIR="$BASE/$TESTBED_PG_PORT"
DATA="$HOME_DIR/data"
LOG="$HOME_DIR/log"
URL="postgres://switchhook@127.0.0.1:$TESTBED_PG_PORT/postgres"
VERB="${1:-}"

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

# The newest server on the machine, 15 or later.
BIN="$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n1)" || true
[ -n "$BIN" ] || { command -v initdb >/dev/null && BIN="$(dirname "$(command -v initdb)")"; } || true

# It refuses to run as root: then it runs as postgres, whom the package made, or as nobody.
AS=()
if [ "$(id -u)" = 0 ]; then
  OWNER=postgres
  id "$OWNER" >/dev/null 2>&1 || OWNER=nobody
  AS=(setpriv "--reuid=$OWNER" "--regid=$(id -g "$OWNER")" --clear-groups env "HOME=$HOME_DIR")
fi
as_owner() { (cd / && exec "${AS[@]}" "$@"); }

can_run() {
  [ -n "$BIN" ] && [ -x "$BIN/initdb" ] && return
  box "LEFT OUT: the test PostgreSQL" "" "reason: no initdb on this machine" "" \
    "to install it, on Debian as root:  $TESTBED_HOME/provision.sh postgres" \
    "then:                              $TESTBED_HOME/postgres.sh $VERB"
  exit "$EXIT_LEFT_OUT"
}

# The pid of our postmaster, if it lives. pg_ctl would take a dead one, not yet reaped, for alive.
running_pid() {
  local pid
  [ -n "$BIN" ] && [ -f "$DATA/postmaster.pid" ] || return 1
  as_owner "$BIN/pg_ctl" status -D "$DATA" >/dev/null 2>&1 || return 1
  pid="$(head -n1 "$DATA/postmaster.pid")"
  case "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null)" in Z | '') return 1 ;; esac
  echo "$pid"
}
running() { running_pid >/dev/null; }

do_start() {
  can_run
  local began="${EPOCHREALTIME/./}" made=""
  mkdir -p "$HOME_DIR"
  exec 8>"$HOME_DIR/.lock"
  flock -w 120 8 || die "another postgres.sh has been busy with this cluster for two minutes"
  [ "$(id -u)" != 0 ] || chown "$OWNER" "$HOME_DIR"
  if running; then
    say "running $URL"
    return
  fi
  # a postmaster that was killed: PostgreSQL itself refuses to start until it is reaped
  if [ -f "$DATA/postmaster.pid" ]; then
    local i
    for ((i = 0; i < 100; i++)); do
      [ -d "/proc/$(head -n1 "$DATA/postmaster.pid")" ] || break
      sleep 0.1
    done
    [ "$i" -lt 100 ] || rm -f "$DATA/postmaster.pid"
  fi
  if tcp_bound 127.0.0.1 "$TESTBED_PG_PORT"; then die "port $TESTBED_PG_PORT is somebody else's; try TESTBED_OFFSET=1000"; fi
  if [ -f "$DATA/PG_VERSION" ] && [ "$(cat "$DATA/PG_VERSION")" != "$("$BIN/postgres" --version | grep -oE '[0-9]+' | head -n1)" ]; then
    say "the data is of another PostgreSQL: starting afresh"
    rm -rf "$DATA"
  fi
  # the mark changes with what is made here: an older cluster is made anew
  if [ ! -f "$DATA/.complete-2" ]; then
    rm -rf "$DATA"
    as_owner "$BIN/initdb" -D "$DATA" -U admin --auth=trust -E UTF8 --locale=C.UTF-8 >"$HOME_DIR/initdb.log" 2>&1 8>&- || {
      cat "$HOME_DIR/initdb.log" >&2
      die "initdb failed"
    }
    as_owner "$BIN/postgres" --single -D "$DATA" postgres >>"$HOME_DIR/initdb.log" 2>&1 8>&- <<'END' || die "no role could be made: $HOME_DIR/initdb.log"
CREATE ROLE switchhook LOGIN CREATEDB NOSUPERUSER NOBYPASSRLS
ALTER DATABASE postgres OWNER TO switchhook
END
    cat >>"$DATA/postgresql.conf" <<END

# ---- testbed
listen_addresses = '127.0.0.1'
port = $TESTBED_PG_PORT
unix_socket_directories = ''
max_connections = 200
fsync = on
END
    as_owner touch "$DATA/.complete-2"
    made=", made anew"
  fi
  if ! as_owner "$BIN/pg_ctl" start -D "$DATA" -l "$LOG" -w -t 60 >/dev/null 2>&1 </dev/null 8>&-; then
    tail -n 30 "$LOG" >&2
    die "PostgreSQL did not start"
  fi
  say "running $URL ($(((${EPOCHREALTIME/./} - began) / 1000)) ms$made, $("$BIN/postgres" --version | cut -d' ' -f3))"
}

do_stop() {
  if running; then
    # connections of a test that died must not hold it up
    as_owner "$BIN/pg_ctl" stop -D "$DATA" -m fast -w -t 30 >/dev/null ||
      as_owner "$BIN/pg_ctl" stop -D "$DATA" -m immediate -w -t 15 >/dev/null || die "PostgreSQL does not stop"
    say stopped
  else
    say "stopped (was not running)"
  fi
}

do_kill() {
  local pid
  if pid="$(running_pid)"; then
    kill -KILL "$pid"
    wait_gone "$pid" 5 || die "PostgreSQL $pid survives SIGKILL"
    say "killed (pid $pid)"
  else
    say "not running"
  fi
}

case "$VERB" in
  start) do_start ;;
  stop) do_stop ;;
  kill) do_kill ;;
  clean)
    do_stop
    rm -rf "$HOME_DIR"
    rmdir "$BASE" 2>/dev/null || true
    ;;
  status)
    if running; then say running; else
      say stopped
      exit 1
    fi
    ;;
  url) say "$URL" ;;
  log) cat "$LOG" ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
