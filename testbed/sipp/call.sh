#!/usr/bin/env bash
# call.sh phone  EXT        SCENARIO [TALK_MS]   a phone that is called: 100, 101, 102, or pstn
# call.sh caller DID        SCENARIO [TALK_MS]   the PSTN calls a number of ours
# call.sh dial   EXT NUMBER SCENARIO [TALK_MS]   a phone of ours calls
#
# One party of one call, played by SIPp in the foreground. SCENARIO is a file of this folder without
# ".xml"; TALK_MS how long it talks (or lets it ring) before it hangs up, if it is the one who does
# (3000). A called phone must be running (its port bound) before the call is placed.
#
# Environment:  TESTBED_CALLER_NUMBER   who calls from the PSTN (+31612345678)
#               TESTBED_CALLER_NAME     their name (Jan de Vries)
#               TESTBED_PRIVACY         none | id (number sent, but not to be shown) | anonymous (no number)
#               TESTBED_TRANSFER_TO     who a transferring phone sends the caller to (101)
#               TESTBED_CALL_LIMIT      seconds until SIPp gives up (40)
#               TESTBED_SIPP_LOG        folder for SIP messages and errors (none)
# Exit code:    0 the call went as the scenario says · 1 it did not · 2 wrong use · 3 SIPp is missing
#               255 SIPp itself failed (time limit, bad file) · 254 its port is taken
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

place() { # place EXT|pstn: sets ADDR, PORT, MEDIA
  ADDR="$TESTBED_PBX_ADDR"
  case "$1" in
    100) PORT="$TESTBED_PHONE100_PORT" MEDIA="$TESTBED_PHONE_RTP" ;;
    101) PORT="$TESTBED_PHONE101_PORT" MEDIA=$((TESTBED_PHONE_RTP + 10)) ;;
    102) PORT="$TESTBED_PHONE102_PORT" MEDIA=$((TESTBED_PHONE_RTP + 20)) ;;
    pstn) PORT="$TESTBED_PSTN_PORT" MEDIA=$((TESTBED_PHONE_RTP + 30)) ADDR="$TESTBED_PSTN_ADDR" ;;
    *) usage ;;
  esac
}

ROLE="${1:-}"
SERVICE=none FROM='<sip:none@127.0.0.1>' IDENTITY='<sip:none@127.0.0.1>' PRIVACY=none EXTENSION=none
case "$ROLE" in
  phone)
    [ $# -ge 3 ] || usage
    place "$2"
    EXTENSION="$2" SCENARIO="$3" TALK_MS="${4:-3000}"
    ;;
  caller)
    [ $# -ge 3 ] || usage
    place pstn
    SERVICE="$2" SCENARIO="$3" TALK_MS="${4:-3000}"
    number="${TESTBED_CALLER_NUMBER:-+31612345678}" name="${TESTBED_CALLER_NAME:-Jan de Vries}"
    FROM="\"$name\" <sip:$number@$ADDR>" IDENTITY="$FROM"
    case "${TESTBED_PRIVACY:-none}" in
      none) ;;
      id) FROM='"Anonymous" <sip:anonymous@anonymous.invalid>' PRIVACY=id ;;
      anonymous) FROM='"Anonymous" <sip:anonymous@anonymous.invalid>' IDENTITY="$FROM" PRIVACY=id ;;
      *) usage ;;
    esac
    ;;
  dial)
    [ $# -ge 4 ] || usage
    place "$2"
    EXTENSION="$2" SERVICE="$3" SCENARIO="$4" TALK_MS="${5:-3000}"
    FROM="<sip:$EXTENSION@$TESTBED_PBX_ADDR>" IDENTITY="$FROM"
    ;;
  *) usage ;;
esac
[ -f "$HERE/$SCENARIO.xml" ] || die "no scenario $SCENARIO.xml in $HERE"
if ! command -v sipp >/dev/null; then
  box "LEFT OUT: SIPp is not installed" "" "to install it, as root:  $TESTBED_HOME/provision.sh packages"
  exit "$EXIT_LEFT_OUT"
fi

logs=()
if [ -n "${TESTBED_SIPP_LOG:-}" ]; then
  base="$TESTBED_SIPP_LOG/$ROLE-$EXTENSION-$SCENARIO"
  logs=(-trace_err -error_file "$base.errors" -trace_msg -message_file "$base.messages")
fi

NOISE=""
if [ "$SCENARIO" = caller-leaves-message ]; then
  # what a machine hears as speech: one second of it, played again and again
  NOISE="${TMPDIR:-/tmp}/.switchhook-noise-$(id -u).alaw"
  [ -s "$NOISE" ] || head -c 8000 /dev/urandom >"$NOISE"
fi

LIMIT="${TESTBED_CALL_LIMIT:-40}"
export TERM="${TERM:-xterm}"
exec sipp "$TESTBED_PBX_ADDR:$TESTBED_SIP_PORT" -sf /dev/fd/3 \
  -i "$ADDR" -p "$PORT" -mi "$ADDR" -mp "$MEDIA" -s "$SERVICE" \
  -key from "$FROM" -key identity "$IDENTITY" -key privacy "$PRIVACY" \
  -key extension "$EXTENSION" -key transfer_to "${TESTBED_TRANSFER_TO:-101}" \
  -m 1 -aa -nostdin -skip_rlimit \
  -timeout "${LIMIT}s" -timeout_error -recv_timeout $((LIMIT * 1000)) \
  "${logs[@]}" </dev/null 3< <(sed -e "s|@TALK_MS@|$TALK_MS|g" -e "s|@NOISE@|$NOISE|g" "$HERE/$SCENARIO.xml")
