#!/usr/bin/env bash
# fuzz-api.sh DATABASE_URL: asks a running server everything its own OpenAPI document allows, and
# much that it forbids, for a bounded time (schemathesis). No answer may be a 5xx, leave the
# document, or accept what the document refuses. Every operation is asked, with good credentials.
#
# FUZZ_SECONDS  how long it goes on, 45 when not set
# FUZZ_SEED     what is left to chance, 1 when not set: a change that passes here passes again
# Exit code: 0 nothing found · 1 something found · 2 it could not run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

DATABASE_URL="${1:?the database to use, sqlite:// or postgres://}"
# shellcheck source=../testbed/lib.sh
. testbed/lib.sh
TOOL="$SWITCHHOOK_TESTBED_DIR/python/bin/schemathesis"
LISTEN=127.0.0.1:4478
TMP="$(mktemp -d "${TMPDIR:-/tmp}/switchhook-fuzz.XXXXXX")"
SERVER=""

clean_up() {
  if [ -n "$SERVER" ]; then kill "$SERVER" 2>/dev/null && wait "$SERVER" || true; fi
  rm -rf "$TMP"
}
trap clean_up EXIT

cargo build --quiet --locked --package switchhook
export INTERNAL_API_SECRET=operator-secret-of-the-fuzzer
export SWITCHHOOK__SECURITY__MASTER_KEY=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
export SWITCHHOOK__LOG__LEVEL=error
# It asks more than any caller may; limits have tests of their own.
for limit in KEY_REQUESTS APP_REQUESTS OPERATOR_REQUESTS FAILED_KEYS FAILED_SIGN_INS \
  HOOK_NOTIFICATIONS SOCKET_MESSAGES SOCKET_OPENS; do
  export "SWITCHHOOK__LIMITS__$limit=0"
done
"${CARGO_TARGET_DIR:-target}/debug/switchhook" serve --listen "$LISTEN" \
  --database-url "$DATABASE_URL" >"$TMP/server.log" 2>&1 &
SERVER=$!
for ((i = 0; i < 100; i++)); do
  if curl -sf "http://$LISTEN/health" >/dev/null; then break; fi
  sleep 0.1
done

made="$(curl -sf -X POST "http://$LISTEN/internal/apps" -H 'Content-Type: application/json' \
  -H "Authorization: Bearer $INTERNAL_API_SECRET" -d '{"name":"Fuzzed"}')" ||
  { cat "$TMP/server.log" >&2 && exit 2; }
key="$(sed -E 's/.*"api_key":"([^"]+)".*/\1/' <<<"$made")"
cat >"$TMP/schemathesis.toml" <<TOML
[auth.openapi.key]
api_key = "$key"

[auth.openapi.operator]
bearer = "$INTERNAL_API_SECRET"

# Refusals; among them 426, the right answer to every HTTP client that asks for the WebSocket.
[checks]
negative_data_rejection.expected-statuses = [
  400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 426, 429, "5xx",
]
TOML

result=0
found=0
# ask NAME ARGUMENTS...: one round; what it found is shown
ask() {
  local out="$TMP/$1.txt" failed
  shift
  (cd "$TMP" && "$TOOL" --config-file schemathesis.toml run "$OLDPWD/openapi/switchhook.json" \
    --url "http://$LISTEN" --warnings off --no-color "$@") >"$out" 2>&1 || result=$?
  sed -nE '/= (ERRORS|FAILURES) =/,/= SUMMARY =/p' "$out" | head -n 200
  sed -n '/^Test cases:/,$p' "$out"
  tested="$(sed -nE 's/^ +Tested: ([0-9]+)$/\1/p' "$out")"
  failed="$(sed -nE 's/^=+ ([0-9]+) failures?.*/\1/p' "$out")"
  found=$((found + ${failed:-0}))
}

# The cases that follow from the document alone, the same each time: none may be taken that the
# document refuses.
ask fixed --phases examples,coverage --checks all --exclude-checks positive_data_acceptance
# Chance, for a while: whatever comes, no fault of ours and no answer that is not described.
ask chance --phases fuzzing --seed "${FUZZ_SEED:-1}" --max-time "${FUZZ_SECONDS:-45}" \
  --checks all --exclude-checks positive_data_acceptance,negative_data_rejection
sed -n '2,20p' "$TMP/server.log"
if [ "$result" != 0 ] || ! kill -0 "$SERVER" 2>/dev/null; then
  echo "  $((found > 0 ? found : 1)) failed"
  exit 1
fi
echo "  ${tested:?no operation was tested} passed"
