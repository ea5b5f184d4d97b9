#!/usr/bin/env bash
# capture.sh NAME OUTDIR [FILE]
# capture.sh --all OUTDIR
#
# Plays scenario NAME (or every one in turn) and records what the PBX tells meanwhile:
#   OUTDIR/FILE.ari.jsonl  ARI /ari/events?subscribeAll=true, one frame a line, byte for byte
#   OUTDIR/FILE.ami.txt    AMI events (all classes but "dialplan"), with its CRLF line ends
#   OUTDIR/FILE.rest.json  with TESTBED_SNAPSHOT_AT=SECONDS: /ari/channels and /ari/bridges so long after
#                          the start, which is what a client that connects mid-call has to work with
# FILE is NAME if not given. Left out as noise: ChannelVarset of RTP statistics, AMI RTCP events.
# When the PBX goes away, {"testbed":"disconnected"} / "Testbed: disconnected" marks the place.
#
# Environment:  as scenario.sh. Exit code: that of the scenario.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if [ $# -lt 2 ]; then
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
if [ "$1" = --all ]; then
  failed=0
  for name in $("$TESTBED_HOME/scenario.sh" --names); do
    say "=== $name"
    "${BASH_SOURCE[0]}" "$name" "$2" || failed=1
  done
  exit "$failed"
fi
NAME="$1" OUT="$2" FILE="${3:-$1}"
mkdir -p "$OUT"
exec python3 "$TESTBED_HOME/capture.py" \
  --ari "$TESTBED_PBX_ADDR:$TESTBED_ARI_PORT" --ari-user "$TESTBED_ARI_USER:$TESTBED_ARI_SECRET" \
  --ami "$TESTBED_PBX_ADDR:$TESTBED_AMI_PORT" --ami-user "$TESTBED_AMI_USER:$TESTBED_AMI_SECRET" \
  --out "$OUT/$FILE" --snapshot-at "${TESTBED_SNAPSHOT_AT:-0}" -- "$TESTBED_HOME/scenario.sh" "$NAME"
