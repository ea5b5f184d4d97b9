#!/usr/bin/env bash
# run.sh start|stop|kill|restart|status|cli COMMAND...|outbound URI PASSWORD|env|log
#
# One Asterisk on loopback, from the folder that provision.sh made.
#   start    starts it and waits until ARI, AMI and the phones answer; prints READY. Started already: fine.
#            Running with other settings: stopped and started anew.
#   stop     stops it; nothing stays mounted or running. Not running: fine.
#   kill     SIGKILL, as a PBX dies: calls are gone without a word
#   restart  kill, then start as it was: same configuration, same mailboxes
#   status   prints running or stopped (exit 0 or 1)
#   cli      asks its console:  run.sh cli core show channels
#   outbound the PBX opens ARI's WebSocket to an address of ours:  run.sh outbound ws://… PASSWORD
#   env      prints the ports and addresses as shell lines:  eval "$(run.sh env)"
#   log      prints its log
#
# Environment:  TESTBED_OFFSET=N         shifts all ports by N: several PBXs side by side
#               TESTBED_LINKEDID=yes|no  whether ARI shows CHANNEL(linkedid) (default yes)
#               TESTBED_CHANNELVARS=...  what ARI shows of every channel, instead
#               TESTBED_*_PORT           single ports, see lib.sh
# Exit code:    0 done · 1 failed · 2 wrong use · 3 left out (not root, or not provisioned)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PIDFILE="$INSTANCE_DIR/asterisk.pid" # "pid starttime"
FRESH=yes
START_LIMIT="${TESTBED_START_LIMIT:-90}"

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

can_run() {
  local reason=""
  if [ "$(id -u)" != 0 ]; then
    reason="running it needs root (it runs under chroot)"
  elif [ ! -x "$ASTERISK_ROOT/usr/sbin/asterisk" ]; then
    reason="there is no Asterisk in $ASTERISK_ROOT"
  fi
  [ -z "$reason" ] && return
  box "LEFT OUT: the test PBX (Asterisk)" "" "reason: $reason" "" \
    "to run it, as root:" "    $TESTBED_HOME/provision.sh packages asterisk" "    $HERE/run.sh $VERB"
  exit "$EXIT_LEFT_OUT"
}

# The pid of this instance, if it runs. A number that now belongs to another process is not ours.
running_pid() {
  local pid start
  [ -f "$PIDFILE" ] || return 1
  read -r pid start <"$PIDFILE" || return 1
  [ -n "$start" ] && [ "$(proc_start "$pid")" = "$start" ] || return 1
  case "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null)" in Z | '') return 1 ;; esac
  echo "$pid"
}

render() {
  local channelvars="; no channelvars: ARI does not tell which channels belong together" f
  [ -n "$TESTBED_CHANNELVARS" ] && channelvars="channelvars=$TESTBED_CHANNELVARS"
  rm -rf "${INSTANCE_DIR:?}/etc"
  mkdir -p "$INSTANCE_DIR"/{etc,run,log,lib,spool/{monitor,recording,voicemail,tmp,outgoing,system}}
  for f in "$HERE"/etc/*.conf; do
    sed -e "s|@DIR@|$INSTANCE_IN_ROOT|g" \
      -e "s|@CHANNELVARS@|$channelvars|g" \
      -e "s|@ARI_PORT@|$TESTBED_ARI_PORT|g" -e "s|@AMI_PORT@|$TESTBED_AMI_PORT|g" \
      -e "s|@SIP_PORT@|$TESTBED_SIP_PORT|g" \
      -e "s|@RTP_START@|$TESTBED_RTP_START|g" -e "s|@RTP_END@|$TESTBED_RTP_END|g" \
      -e "s|@PHONE100_PORT@|$TESTBED_PHONE100_PORT|g" -e "s|@PHONE101_PORT@|$TESTBED_PHONE101_PORT|g" \
      -e "s|@PHONE102_PORT@|$TESTBED_PHONE102_PORT|g" \
      -e "s|@PSTN_ADDR@|$TESTBED_PSTN_ADDR|g" -e "s|@PSTN_PORT@|$TESTBED_PSTN_PORT|g" \
      "$f" >"$INSTANCE_DIR/etc/$(basename "$f")"
  done
  chroot "$ASTERISK_ROOT" chown -R asterisk:asterisk "$INSTANCE_IN_ROOT"
}

# inside COMMAND...: runs it in the Asterisk folder with /dev and /proc. They are mounted in a mount
# namespace of its own, so they vanish with the process, however it ends. Same pid all the way.
inside() {
  local wrap=()
  if unshare --mount true 2>/dev/null; then
    # shellcheck disable=SC2016
    wrap=(unshare --mount --propagation private sh -c
      'r=$1; shift; mount --bind /dev "$r/dev" && mount -t proc proc "$r/proc" && exec chroot "$r" "$@"' inside "$ASTERISK_ROOT")
  else
    wrap=(chroot "$ASTERISK_ROOT") # no right to mount: debootstrap's own device nodes have to do
  fi
  exec "${wrap[@]}" "$@"
}

settings() { echo "channelvars=$TESTBED_CHANNELVARS sip=$TESTBED_SIP_PORT ami=$TESTBED_AMI_PORT rtp=$TESTBED_RTP_START-$TESTBED_RTP_END phones=$TESTBED_PHONE100_PORT,$TESTBED_PHONE101_PORT,$TESTBED_PHONE102_PORT pstn=$TESTBED_PSTN_PORT"; }

ready() {
  ari GET 'asterisk/info?only=status' >/dev/null 2>&1 || return 1
  local ext
  for ext in 100 101 102 trunk; do
    ari GET "endpoints/PJSIP/$ext" 2>/dev/null | grep -q '"state":"online"' || return 1
  done
  tcp_bound "$TESTBED_PBX_ADDR" "$TESTBED_AMI_PORT" && udp_bound "$TESTBED_PBX_ADDR" "$TESTBED_SIP_PORT"
}

# ports_free: a process that just died may keep its ports for a moment longer; waits up to 5 s
ports_free() {
  local i
  for ((i = 0; i < 100; i++)); do
    tcp_bound "$TESTBED_PBX_ADDR" "$TESTBED_ARI_PORT" || tcp_bound "$TESTBED_PBX_ADDR" "$TESTBED_AMI_PORT" ||
      udp_bound "$TESTBED_PBX_ADDR" "$TESTBED_SIP_PORT" || return 0
    sleep 0.05
  done
  return 1
}

do_start() {
  can_run
  local pid began=$SECONDS
  mkdir -p "$INSTANCE_DIR"
  exec 8>"$INSTANCE_DIR/.lock"
  flock -w 120 8 || die "another run.sh has been busy with this instance for two minutes"
  if pid="$(running_pid)"; then
    if [ "$(cat "$INSTANCE_DIR/settings" 2>/dev/null)" = "$(settings)" ]; then
      say "READY (was running, pid $pid) ARI http://$TESTBED_PBX_ADDR:$TESTBED_ARI_PORT"
      return
    fi
    say "running with other settings ($(cat "$INSTANCE_DIR/settings" 2>/dev/null)): starting anew"
    do_stop
  fi
  if ! ports_free; then
    die "port $TESTBED_ARI_PORT, $TESTBED_AMI_PORT or $TESTBED_SIP_PORT is somebody else's; try TESTBED_OFFSET=1000"
  fi
  if [ "$FRESH" = yes ] || [ ! -f "$INSTANCE_DIR/settings" ]; then
    rm -rf "${INSTANCE_DIR:?}"/{spool,lib,log} # every run begins with empty mailboxes and logs
    render
    settings >"$INSTANCE_DIR/settings"
  fi
  # 8>&-: a long-lived child must not hold the lock
  (
    cd /
    trap '' HUP
    inside /usr/sbin/asterisk -f -n -C "$INSTANCE_IN_ROOT/etc/asterisk.conf" -U asterisk
  ) </dev/null >>"$INSTANCE_DIR/log/console" 2>&1 8>&- &
  pid=$!
  echo "$pid $(proc_start "$pid")" >"$PIDFILE"
  while ! ready; do
    running_pid >/dev/null || {
      tail -n 30 "$INSTANCE_DIR/log/console" >&2
      rm -f "$PIDFILE"
      die "Asterisk ended while starting"
    }
    if [ $((SECONDS - began)) -ge "$START_LIMIT" ]; then
      tail -n 30 "$INSTANCE_DIR/log/console" >&2
      do_stop
      die "Asterisk did not answer within $START_LIMIT s"
    fi
    sleep 0.2
  done
  say "READY in $((SECONDS - began)) s (pid $pid, linkedid=$TESTBED_LINKEDID) ARI http://$TESTBED_PBX_ADDR:$TESTBED_ARI_PORT AMI $TESTBED_PBX_ADDR:$TESTBED_AMI_PORT SIP $TESTBED_PBX_ADDR:$TESTBED_SIP_PORT"
}

do_stop() {
  local pid
  if ! pid="$(running_pid)"; then
    rm -f "$PIDFILE"
    say "stopped (was not running)"
    return
  fi
  kill -TERM "$pid" 2>/dev/null || true
  if ! wait_gone "$pid" 10; then
    warn "Asterisk $pid does not go: SIGKILL"
    kill -KILL "$pid" 2>/dev/null || true
    wait_gone "$pid" 5 || die "Asterisk $pid survives SIGKILL"
  fi
  rm -f "$PIDFILE"
  say "stopped"
}

do_kill() {
  local pid
  if pid="$(running_pid)"; then
    kill -KILL "$pid" 2>/dev/null || true
    wait_gone "$pid" 5 || die "Asterisk $pid survives SIGKILL"
    say "killed (pid $pid)"
  else
    say "not running"
  fi
  rm -f "$PIDFILE"
}

# do_outbound URI PASSWORD: connects within a second, and again whenever the connection breaks; ends
# with the next start
do_outbound() {
  [ $# = 2 ] || { usage >&2 && exit 2; }
  running_pid >/dev/null || die "not running"
  cat >"$INSTANCE_DIR/etc/websocket_client.conf" <<EOF
[out]
type=websocket_client
connection_type=persistent
uri=$1
protocols=ari
username=pbx
password=$2
connection_timeout=2000
reconnect_interval=500
tls_enabled=no
EOF
  cat >"$INSTANCE_DIR/etc/ari_outbound.conf" <<EOF
[outbound]
type=outbound_websocket
websocket_client_id=out
apps=switchhook-out
subscribe_all=yes
local_ari_user=cti
EOF
  chroot "$ASTERISK_ROOT" chown -R asterisk:asterisk "$INSTANCE_IN_ROOT/etc"
  local module
  for module in res_websocket_client.so res_ari.so; do
    (inside /usr/sbin/asterisk -C "$INSTANCE_IN_ROOT/etc/asterisk.conf" -rx "module reload $module")
  done
}

VERB="${1:-}"
[ $# -gt 0 ] && shift
case "$VERB" in
  start) do_start ;;
  stop) do_stop ;;
  kill) do_kill ;;
  restart)
    can_run
    FRESH=no # the disk of a PBX survives: configuration, mailboxes, logs
    do_kill
    do_start
    ;;
  status)
    if pid="$(running_pid)"; then say "running (pid $pid)"; else
      say stopped
      exit 1
    fi
    ;;
  cli)
    can_run
    running_pid >/dev/null || die "not running"
    inside /usr/sbin/asterisk -C "$INSTANCE_IN_ROOT/etc/asterisk.conf" -rx "$*"
    ;;
  outbound)
    can_run
    do_outbound "$@"
    ;;
  env)
    for v in TESTBED_ARI_PORT TESTBED_AMI_PORT TESTBED_SIP_PORT TESTBED_RTP_START TESTBED_RTP_END \
      TESTBED_PHONE100_PORT TESTBED_PHONE101_PORT TESTBED_PHONE102_PORT TESTBED_PSTN_PORT TESTBED_PHONE_RTP \
      TESTBED_PBX_ADDR TESTBED_PSTN_ADDR TESTBED_ARI_USER TESTBED_ARI_SECRET TESTBED_AMI_USER TESTBED_AMI_SECRET \
      TESTBED_LINKEDID SWITCHHOOK_TESTBED_DIR; do
      printf 'export %s=%q\n' "$v" "${!v}"
    done
    ;;
  log) cat "$INSTANCE_DIR/log/messages" ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
