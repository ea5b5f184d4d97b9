# shellcheck shell=bash disable=SC2034
# lib.sh: settings and small helpers shared by the testbed scripts. Sourced, never run.
#
# Every port has its own variable. TESTBED_OFFSET=N shifts all defaults by N at once, so that
# several test beds can run side by side (use steps of 1000: 0, 1000, 2000, ...).

TESTBED_HOME="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
SWITCHHOOK_TESTBED_DIR="${SWITCHHOOK_TESTBED_DIR:-/var/lib/switchhook-testbed}"
TESTBED_OFFSET="${TESTBED_OFFSET:-0}"

TESTBED_ARI_PORT="${TESTBED_ARI_PORT:-$((18088 + TESTBED_OFFSET))}"
TESTBED_AMI_PORT="${TESTBED_AMI_PORT:-$((15038 + TESTBED_OFFSET))}"
TESTBED_SIP_PORT="${TESTBED_SIP_PORT:-$((15060 + TESTBED_OFFSET))}"
TESTBED_RTP_START="${TESTBED_RTP_START:-$((22000 + TESTBED_OFFSET))}"
TESTBED_RTP_END="${TESTBED_RTP_END:-$((22199 + TESTBED_OFFSET))}"
TESTBED_PHONE100_PORT="${TESTBED_PHONE100_PORT:-$((15070 + TESTBED_OFFSET))}"
TESTBED_PHONE101_PORT="${TESTBED_PHONE101_PORT:-$((15071 + TESTBED_OFFSET))}"
TESTBED_PHONE102_PORT="${TESTBED_PHONE102_PORT:-$((15072 + TESTBED_OFFSET))}"
TESTBED_PSTN_PORT="${TESTBED_PSTN_PORT:-$((15080 + TESTBED_OFFSET))}"
TESTBED_PHONE_RTP="${TESTBED_PHONE_RTP:-$((22300 + TESTBED_OFFSET))}" # SIPp media: +0 100, +10 101, +20 102, +30 PSTN
TESTBED_PG_PORT="${TESTBED_PG_PORT:-$((15432 + TESTBED_OFFSET))}"

# Asterisk and the agents' phones live on one loopback address, the PSTN on another: the trunk is
# recognised by its address, as a real one is, and may send any From it likes.
TESTBED_PBX_ADDR=127.0.0.1
TESTBED_PSTN_ADDR=127.0.0.2

TESTBED_ARI_USER=cti
TESTBED_ARI_SECRET=ctisecret
TESTBED_AMI_USER=cti
TESTBED_AMI_SECRET=amisecret
TESTBED_LINKEDID="${TESTBED_LINKEDID:-yes}" # yes|no: does ARI show CHANNEL(linkedid)?
case "$TESTBED_LINKEDID" in
  yes) TESTBED_CHANNELVARS="${TESTBED_CHANNELVARS-CHANNEL(linkedid)}" ;;
  *) TESTBED_CHANNELVARS="${TESTBED_CHANNELVARS-}" ;;
esac

ASTERISK_ROOT="$SWITCHHOOK_TESTBED_DIR/asterisk"
INSTANCE="p$TESTBED_ARI_PORT"
INSTANCE_IN_ROOT="/srv/testbed/$INSTANCE"     # as Asterisk sees it
INSTANCE_DIR="$ASTERISK_ROOT$INSTANCE_IN_ROOT" # as we see it

EXIT_LEFT_OUT=3

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
  warn "$(basename "$0"): $*"
  exit 1
}

# box LINE...: words nobody can overlook, on stderr.
box() {
  local width=0 line
  for line in "$@"; do [ "${#line}" -gt "$width" ] && width=${#line}; done
  local bar
  bar="$(printf '%*s' "$((width + 4))" '' | tr ' ' '#')"
  {
    echo
    echo "$bar"
    for line in "$@"; do printf '# %-*s #\n' "$width" "$line"; done
    echo "$bar"
    echo
  } >&2
}

# proc_start PID: the kernel's start time of a process; with the pid it names one process for ever.
proc_start() {
  local stat
  stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 1
  # the command name may hold blanks: cut behind its closing bracket; field 22 is then the 20th
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  echo "${20}"
}

# wait_gone PID SECONDS: true when the process ended in time.
wait_gone() {
  local i
  for ((i = 0; i < $2 * 20; i++)); do
    [ -d "/proc/$1" ] || return 0
    case "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" in Z) return 0 ;; esac
    sleep 0.05
  done
  return 1
}

# udp_bound ADDR PORT / tcp_bound ADDR PORT: is somebody on that loopback port?
udp_bound() { [ -n "$(ss -Hlun "src $1:$2" 2>/dev/null)" ]; }
tcp_bound() { [ -n "$(ss -Hltn "src $1:$2" 2>/dev/null)" ]; }

ari() { # ari METHOD PATH?QUERY [curl options]: body on stdout; fails on HTTP >= 400
  local method="$1" path="$2"
  shift 2
  curl -fsS --max-time 10 -u "$TESTBED_ARI_USER:$TESTBED_ARI_SECRET" -X "$method" \
    "http://$TESTBED_PBX_ADDR:$TESTBED_ARI_PORT/ari/$path" "$@"
}
