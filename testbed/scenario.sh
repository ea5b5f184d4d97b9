#!/usr/bin/env bash
# scenario.sh NAME | --list
#
# Plays one call from its beginning to its end against the running test PBX (asterisk/run.sh start):
# starts the phones, places the call, waits for all, and says whether every party was content.
# One scenario at a time per test bed: a second one waits for its turn.
#
# Environment:  as sipp/call.sh and lib.sh; TESTBED_KEEP=yes keeps the SIP messages
# Exit code:    0 every party was content · 1 one was not · 2 wrong use · 3 left out (no PBX, no SIPp)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CALL="$TESTBED_HOME/sipp/call.sh"
STARTED="${EPOCHREALTIME/./}"
PIDS=() NAMES=()
LOGS=""
UNHAPPY=0

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
step() {
  local ms=$(((${EPOCHREALTIME/./} - STARTED) / 1000))
  printf '[%3d.%01d s] %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$*"
}

# ---------------------------------------------------------------- parties

launch() { # launch NAME call.sh-ARGUMENT...
  local name="$1"
  shift
  TESTBED_SIPP_LOG="$LOGS" "$CALL" "$@" >"$LOGS/$name.screen" 2>&1 9>&- &
  PIDS+=("$!") NAMES+=("$name")
}

# phone EXT SCENARIO [TALK_MS]: a phone that waits to be called; returns when it can be
phone() {
  local ext="$1" addr="$TESTBED_PBX_ADDR" port i
  case "$ext" in pstn) addr="$TESTBED_PSTN_ADDR" port="$TESTBED_PSTN_PORT" ;; *) port="TESTBED_PHONE${ext}_PORT" port="${!port}" ;; esac
  step "phone $ext: $2 (port $port)"
  launch "phone-$ext" phone "$@"
  for ((i = 0; i < 200; i++)); do
    udp_bound "$addr" "$port" && return
    [ -d "/proc/${PIDS[-1]}" ] || break
    sleep 0.05
  done
  step "phone $ext did not come up"
  return 1
}

caller() { # caller DID SCENARIO [TALK_MS]
  step "the PSTN calls $1: $2"
  launch "caller" caller "$@"
}

dial() { # dial EXT NUMBER SCENARIO [TALK_MS]
  step "phone $1 dials $2: $3"
  launch "phone-$1" dial "$@"
}

# hang_up_all: the PBX ends every call, so that parties still up hear of it
hang_up_all() {
  local id
  for id in $(ari GET channels 2>/dev/null | grep -oE '"id":"[^"]+","name"' | cut -d'"' -f4); do
    ari DELETE "channels/$id" >/dev/null 2>&1 || true
  done
}

# everyone: waits for all parties; each is bounded by SIPp's own time limit. When one fails, the
# others cannot succeed: the PBX hangs them up, and who does not hear that is ended.
everyone() {
  local i code pid left="${#PIDS[@]}"
  while [ "$left" -gt 0 ]; do
    code=0
    wait -n -p pid "${PIDS[@]}" || code=$?
    left=$((left - 1))
    for i in "${!PIDS[@]}"; do
      [ "${PIDS[$i]}" = "$pid" ] || continue
      if [ "$code" = 0 ]; then
        step "${NAMES[$i]}: content"
      else
        step "${NAMES[$i]}: NOT content (SIPp says $code)"
      fi
      unset "PIDS[$i]" "NAMES[$i]"
    done
    if [ "$code" != 0 ] && [ "$UNHAPPY" = 0 ] && [ "$left" -gt 0 ]; then
      hang_up_all
      sleep 2
      for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    fi
    [ "$code" = 0 ] || UNHAPPY=1
  done
  PIDS=() NAMES=()
}

# ---------------------------------------------------------------- the PBX's side

# channel_of EXT: the name of the phone's channel, as soon as it is there and up
channel_of() {
  local i name
  for ((i = 0; i < 100; i++)); do
    name="$(ari GET channels 2>/dev/null | tr '{' '\n' | grep -oE "\"name\":\"PJSIP/$1-[0-9a-f]+\",\"state\":\"Up\"" | head -n1 | cut -d'"' -f4)" || true
    if [ -n "$name" ]; then
      echo "$name"
      return
    fi
    sleep 0.1
  done
  return 1
}

# ami LINE...: logs in, sends one action, prints the answer's Message; fails unless it is a success
ami() {
  local line answer="" message=""
  exec 7<>"/dev/tcp/$TESTBED_PBX_ADDR/$TESTBED_AMI_PORT" || { UNHAPPY=1; return 1; }
  printf '%s\r\n' "Action: Login" "Username: $TESTBED_AMI_USER" "Secret: $TESTBED_AMI_SECRET" "Events: off" "" >&7
  printf '%s\r\n' "$@" "ActionID: scenario" "" >&7
  while IFS= read -r -t 5 line <&7; do
    line="${line%$'\r'}"
    case "$line" in
      "Response: "*) answer="${line#Response: }" ;;
      "ActionID: scenario") message=wanted ;;
      "Message: "*) [ "$message" = wanted ] && message="${line#Message: }" && break ;;
    esac
  done
  exec 7>&-
  step "AMI ${1#Action: }: $answer, $message"
  [ "$answer" = Success ] || UNHAPPY=1
}

# no_calls: true when the PBX has no channel left (waits up to 5 s)
no_calls() {
  local i
  for ((i = 0; i < 50; i++)); do
    [ "$(ari GET channels 2>/dev/null)" = "[]" ] && return
    sleep 0.1
  done
  return 1
}

# ---------------------------------------------------------------- the scenarios

SCENARIOS="$(
  cat <<'END'
answered                  inbound, agent 100 answers after 1 s, the caller hangs up
answered-agent-hangs-up   inbound, agent 100 answers and hangs up
missed                    inbound, 100 rings for 12 s, nobody answers
busy                      inbound, 100 is busy (486)
declined                  inbound, 100 presses reject (603)
cancelled                 inbound, the caller gives up after 2 s of ringing
unreachable               inbound, no phone is there at all (12 s)
hold-resume               inbound, 100 answers, holds (re-INVITE sendonly), resumes, hangs up
blind-transfer            inbound, 100 answers, sends the caller on to 101 (REFER), 101 hangs up
blind-transfer-ami        the same by AMI BlindTransfer on 100's channel
redirect-ami              the caller's channel is moved to 101 by AMI Redirect
attended-transfer         inbound, 100 holds, calls 101 from its second line, joins both (REFER with Replaces)
attended-transfer-ami     inbound, AMI Atxfer to 101, 101 answers, 100 hangs up: caller and 101 talk
attended-transfer-returns AMI Atxfer to 101, 101 declines: the caller is back with 100
queue                     inbound to a queue, its member 100 answers, the caller hangs up
queue-abandoned           inbound to a queue, 100 rings, the caller gives up
ring-group                100 and 101 ring, 100 answers, 101 is cancelled
ring-group-missed         100 and 101 ring, the caller gives up
caller-withheld           inbound, the PSTN sends no number (anonymous), answered
caller-withheld-id        inbound, the PSTN sends the number with "Privacy: id", answered
voicemail                 inbound, 100 rings 3 s, VoiceMail() takes a message
voicemail-hung-up         inbound, 100 rings 3 s, the caller hangs up during the greeting
mailbox                   as voicemail, with a mailbox made of Record() and a UserEvent
ivr                       the PBX answers, after 1 s 100 rings and answers, the caller hangs up
ivr-abandoned             the PBX answers, 100 rings, the caller hangs up before it answers
recorded                  inbound with MixMonitor, answered
outbound                  100 dials 0612345678, the PSTN answers, 100 hangs up
outbound-busy             100 dials 0612345678, which is busy
outbound-cancelled        100 dials 0612345678 and gives up while it rings
internal                  100 dials 101, who answers; 100 hangs up
click-to-dial             ARI originate: 100 rings, answers, then 0612345678 rings and answers
click-to-dial-declined    ARI originate: 100 presses reject, the PSTN is never called
local-only                a call made of Local channels, no SIP
pbx-restart-mid-call      answered, then the PBX is killed and started again: the call is gone
END
)"

do_answered() { phone 100 phone-answers && caller +31201234567 caller-hangs-up 4000 && everyone; }
do_answered-agent-hangs-up() { phone 100 phone-hangs-up 2000 && caller +31201234567 caller-waits && everyone; }
do_missed() { phone 100 phone-rings && caller +31201234567 caller-refused && everyone; }
do_busy() { phone 100 phone-busy && caller +31201234567 caller-refused && everyone; }
do_declined() { phone 100 phone-declines && caller +31201234567 caller-refused && everyone; }
do_cancelled() { phone 100 phone-rings && caller +31201234567 caller-cancels 2000 && everyone; }
do_unreachable() { caller +31201234567 caller-refused && everyone; }
do_hold-resume() { phone 100 phone-holds && caller +31201234567 caller-waits && everyone; }

do_blind-transfer() {
  phone 101 phone-hangs-up 2000 && phone 100 phone-transfers-blind && caller +31201234567 caller-waits && everyone
}
do_blind-transfer-ami() {
  phone 101 phone-hangs-up 2000 && phone 100 phone-answers && caller +31201234568 caller-waits || return 1
  local channel
  channel="$(channel_of 100)" || return 1
  sleep 1.5
  ami "Action: BlindTransfer" "Channel: $channel" "Context: from-internal" "Exten: 101"
  everyone
}
do_redirect-ami() {
  phone 101 phone-hangs-up 2000 && phone 100 phone-answers && caller +31201234567 caller-waits || return 1
  channel_of 100 >/dev/null || return 1
  sleep 1.5
  ami "Action: Redirect" "Channel: $(channel_of trunk)" "Context: from-internal" "Exten: 101" "Priority: 1"
  everyone
}
do_attended-transfer() {
  phone 101 phone-hangs-up 4500 && phone 100 phone-transfers-attended && caller +31201234567 caller-waits && everyone
}
do_attended-transfer-ami() {
  phone 101 phone-hangs-up 4500 && phone 100 phone-hangs-up 6000 && caller +31201234568 caller-waits || return 1
  local channel
  channel="$(channel_of 100)" || return 1
  sleep 1
  ami "Action: Atxfer" "Channel: $channel" "Context: from-internal" "Exten: 101"
  everyone
}
do_attended-transfer-returns() {
  phone 101 phone-declines && phone 100 phone-hangs-up 9000 && caller +31201234568 caller-waits || return 1
  local channel
  channel="$(channel_of 100)" || return 1
  sleep 1
  ami "Action: Atxfer" "Channel: $channel" "Context: from-internal" "Exten: 101"
  everyone
}
do_queue() { phone 100 phone-answers && caller +31201234569 caller-hangs-up 4000 && everyone; }
do_queue-abandoned() { # Queue() answers nothing: the caller hears ringing until an agent is there
  phone 100 phone-rings && caller +31201234569 caller-cancels 2500 && everyone
}
do_ring-group() {
  phone 101 phone-rings && phone 100 phone-answers && caller +31201234571 caller-hangs-up 3000 && everyone
}
do_ring-group-missed() {
  phone 101 phone-rings && phone 100 phone-rings && caller +31201234571 caller-cancels 2000 && everyone
}
do_caller-withheld() { TESTBED_PRIVACY=anonymous do_answered; }
do_caller-withheld-id() { TESTBED_PRIVACY=id do_answered; }

do_voicemail() { phone 100 phone-rings && caller +31201234570 caller-leaves-message 14000 && everyone; }
do_voicemail-hung-up() { phone 100 phone-rings && caller +31201234570 caller-hangs-up 1500 && everyone; }
do_mailbox() { phone 100 phone-rings && caller +31201234574 caller-leaves-message 4000 && everyone; }
do_ivr() { phone 100 phone-answers && caller +31201234572 caller-hangs-up 5000 && everyone; }
do_ivr-abandoned() { phone 100 phone-rings && caller +31201234572 caller-hangs-up 3000 && everyone; }
do_recorded() { phone 100 phone-answers && caller +31201234573 caller-leaves-message 4000 && everyone; }
do_outbound() { phone pstn phone-answers && dial 100 0612345678 caller-hangs-up 3000 && everyone; }
do_outbound-busy() { phone pstn phone-busy && dial 100 0612345678 caller-refused && everyone; }
do_outbound-cancelled() { phone pstn phone-rings && dial 100 0612345678 caller-cancels 2000 && everyone; }
do_internal() { phone 101 phone-answers && dial 100 101 caller-hangs-up 3000 && everyone; }

originate() { # originate ID EXT NUMBER
  step "ARI originate: PJSIP/$2, then $3 (channel $1)"
  ari POST "channels?endpoint=PJSIP/$2&extension=$3&context=from-internal&priority=1&callerId=%22Jan%20de%20Vries%22%20%3C%2B31612345678%3E&timeout=20&channelId=$1" >/dev/null || UNHAPPY=1
}
do_click-to-dial() {
  phone pstn phone-answers && phone 100 phone-hangs-up 4000 || return 1
  originate "click-$STARTED" 100 0612345678
  everyone
}
do_click-to-dial-declined() {
  phone 100 phone-declines || return 1
  originate "click-$STARTED" 100 0612345678
  everyone
}
do_local-only() {
  step "ARI originate: Local/12345678@load"
  ari POST 'channels?endpoint=Local/12345678@load&extension=900&context=from-internal' >/dev/null || UNHAPPY=1
  sleep 6
}
do_pbx-restart-mid-call() {
  phone 100 phone-finds-call-gone 8000 && caller +31201234567 caller-finds-call-gone 8000 || return 1
  channel_of 100 >/dev/null || return 1
  sleep 1.5
  step "the PBX dies and comes back"
  "$TESTBED_HOME/asterisk/run.sh" restart 9>&- | sed 's/^/          /'
  if [ "$(ari GET channels)" = "[]" ]; then step "no channel survived"; else UNHAPPY=1; fi
  everyone
}

# ---------------------------------------------------------------- main

cleanup() {
  local pid
  if [ "${#PIDS[@]}" -gt 0 ]; then
    # interrupted: let the PBX end the calls first, or it goes on sending to nobody
    hang_up_all
    sleep 1
  fi
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || true; done
  [ -n "$LOGS" ] && [ "${TESTBED_KEEP:-no}" = no ] && [ "$UNHAPPY" = 0 ] && rm -rf "$LOGS"
  return 0
}

NAME="${1:-}"
case "$NAME" in
  --list | -l) echo "$SCENARIOS" && exit 0 ;;
  --names) cut -d' ' -f1 <<<"$SCENARIOS" && exit 0 ;;
  -h | --help | help) usage && exit 0 ;;
esac
if [ $# != 1 ] || ! cut -d' ' -f1 <<<"$SCENARIOS" | grep -qxF -- "$NAME"; then
  usage >&2
  warn "no such scenario: '$NAME'. There are:"
  warn "$SCENARIOS"
  exit 2
fi
for tool in sipp curl ss; do
  command -v "$tool" >/dev/null && continue
  box "LEFT OUT: scenario $NAME" "" "reason: $tool is not installed" "" "to install it, as root:  $TESTBED_HOME/provision.sh packages"
  exit "$EXIT_LEFT_OUT"
done
if ! ari GET 'asterisk/ping' >/dev/null 2>&1; then
  box "LEFT OUT: scenario $NAME" "" "reason: no PBX answers on ARI port $TESTBED_ARI_PORT" "" "to start it, as root:  $TESTBED_HOME/asterisk/run.sh start"
  exit "$EXIT_LEFT_OUT"
fi

exec 9>"/tmp/.switchhook-scenario-$(id -u)-$TESTBED_ARI_PORT.lock"
flock -w 120 9 || die "another scenario has been playing on this test bed for two minutes"
LOGS="$(mktemp -d /tmp/switchhook-scenario.XXXXXX)"
trap cleanup EXIT
trap 'UNHAPPY=1; exit 130' INT TERM

STARTED="${EPOCHREALTIME/./}"
if ! no_calls; then
  # the rest of a broken run: it would mix with ours. The PBX repeats its BYE for 32 s to parties
  # that are gone, and a new party on their port would stumble over it.
  step "calls of an earlier run are still up: hanging them up, waiting 33 s for the PBX to forget them"
  hang_up_all
  sleep 33
  no_calls || die "the PBX does not let go of its calls"
fi

"do_$NAME" || UNHAPPY=1
if ! no_calls; then
  step "NOT content: the PBX still has calls"
  UNHAPPY=1
fi
if [ "$UNHAPPY" = 0 ]; then
  step "$NAME: as it should be"
else
  step "$NAME: FAILED; SIP messages in $LOGS"
  for f in "$LOGS"/*.errors; do [ -s "$f" ] && { echo "--- $(basename "$f")" && head -c 3000 "$f"; }; done || true
  exit 1
fi
