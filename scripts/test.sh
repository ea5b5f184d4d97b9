#!/usr/bin/env bash
# test.sh [PART]...: runs the tests, one part after the other; without arguments all of them.
#   check     cargo xtask check: formatting, lints, licences, documentation, generated files
#   rust      every Rust test, on SQLite and on a real PostgreSQL, and the documentation's examples;
#             the API's contract, access and isolation tests once more on each of the two
#   api       the running server against its own OpenAPI document, on SQLite and PostgreSQL
#   pbx       the tests against a real Asterisk with SIP phones
#   sqs       the tests against an SQS-compatible server
#   oidc      the tests against a real OpenID provider
#   page      the page's own tests
#   browser   the page in Chromium against a running demo
#   fuzz      every decoder fed with damaged notifications for some seconds (scripts/fuzz.sh)
#
# What a part needs is installed first (testbed/provision.sh, scripts/tools.sh, npm ci); what it
# starts it stops. What cannot run here is left out and named; where CI=true that is a failure.
# The last line is the sum over all runners.
#
# Exit code: 0 all passed · 1 something failed, or was left out in CI · 2 wrong use
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PARTS=(check rust api pbx sqs oidc page browser fuzz)
PBX_TESTS="test(/^real_(pbx|dial)/)"
SQS_TESTS="test(/^real_sqs/)"
OIDC_TESTS="test(/^real_oidc/)"
# What the API promises and forbids, wherever it keeps its data. In memory they run with the others.
API_AREAS=(access agents audit calls contacts contract contract_keys contract_users events keys
  media moments people people_oidc scopes tasks two_nodes work_settings)
API_TESTS="package(switchhook-api) & test(/^($(IFS='|' && echo "${API_AREAS[*]}"))::/)"
DEMO=127.0.0.1:4477
EXIT_LEFT_OUT=3
# A test bed of its own: a developer's running PBX or cluster is not touched.
export TESTBED_OFFSET="${TESTBED_OFFSET:-4000}"
export NO_COLOR=1 CARGO_TERM_COLOR=never

TMP="$(mktemp -d "${TMPDIR:-/tmp}/switchhook-test.XXXXXX")"
STARTED=$SECONDS
PASSED=0 FAILED=0 SKIPPED=0 PROBLEMS=0
REPORT=()
BROKEN=()
STOP=() # commands that undo what was started, the last one first

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
headline() { printf '\n──── %s\n' "$*"; }

clean_up() {
  local i
  for ((i = ${#STOP[@]} - 1; i >= 0; i--)); do eval "${STOP[i]}" >/dev/null 2>&1 || true; done
  STOP=()
  rm -rf "$TMP"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# ---------------------------------------------------------------- results

note() { # note PART RESULT SECONDS [PASSED FAILED SKIPPED]
  REPORT+=("$(printf '%-9s %-8s %5s s  %s' "$1" "$2" "$3" "${4:+$4 passed, $5 failed, $6 skipped}")")
}

left_out() { # left_out PART WHY
  REPORT+=("$(printf '%-9s LEFT OUT          %s' "$1" "$2")")
  if [ "${CI:-}" = true ]; then PROBLEMS=$((PROBLEMS + 1)); fi
}

# count LOG: what the runners in this log said of themselves, added up in P, F and S. Understood are
# nextest ("Summary … 24 passed, 1 failed"), cargo test ("test result: …"), vitest ("Tests  24
# passed") and Playwright ("  3 passed (5s)").
count() {
  read -r P F S < <(awk '
    /^ *Summary \[/ || /^test result: / || /^ *Tests +[0-9]/ ||
    /^ +[0-9]+ (passed|failed|skipped|flaky|did not run|interrupted)/ {
      gsub(/[;,|]/, " ")
      for (i = 1; i < NF; i++) if ($i ~ /^[0-9]+$/) {
        if ($(i + 1) ~ /^(passed|flaky)$/) passed += $i
        else if ($(i + 1) ~ /^(failed|timed|exec|interrupted)$/) failed += $i
        else if ($(i + 1) ~ /^(skipped|ignored|did|todo)$/ && !/Summary/) skipped += $i
      }
    }
    END { print passed + 0, failed + 0, skipped + 0 }' "$1")
}

# broken LOG: the tests that failed by this log, as their runners name them
broken() {
  sed -nE -e 's/^ +(FAIL|TIMEOUT|SIGABRT|LEAK-FAIL) +\[[^]]*\] +(\([^)]*\) +)?//p' \
    -e 's/^_+ ((GET|POST|PUT|PATCH|DELETE) .*[^_ ]) _+$/\1/p' \
    -e 's/^ +(✘) +[0-9]+ /\1 /p' -e 's/^test (.*) \.\.\. FAILED$/\1/p' "$1" | sort -u
}

# part NAME COMMAND...: runs a part, shows what it says, notes how it went
part() {
  local name="$1" began=$SECONDS log="$TMP/$1.log" result=ok
  shift
  # not as a condition: bash would then go on after an error inside
  set +e
  (set -e && "$@") 2>&1 | tee "$log"
  [ "${PIPESTATUS[0]}" = 0 ] || result=FAILED
  set -e
  count "$log"
  # a part can fail without a failed test, when something does not build
  if [ "$result" = FAILED ] && [ "$F" = 0 ]; then F=1; fi
  if [ "$result" = FAILED ]; then
    PROBLEMS=$((PROBLEMS + 1))
    mapfile -t -O "${#BROKEN[@]}" BROKEN < <(broken "$log" | sed "s/^/$name: /")
  fi
  PASSED=$((PASSED + P)) FAILED=$((FAILED + F)) SKIPPED=$((SKIPPED + S))
  note "$name" "$result" $((SECONDS - began)) "$P" "$F" "$S"
}

# ---------------------------------------------------------------- what the parts need

# there PART: true for what works without root when somebody has installed it already
there() {
  case "$1" in
    postgres) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
    browser) [ -x "${CHROMIUM:-/usr/bin/chromium}" ] ;;
    python) [ -x "${SWITCHHOOK_TESTBED_DIR:-/var/lib/switchhook-testbed}/python/bin/moto_server" ] ;;
    oidc) [ -d "${SWITCHHOOK_TESTBED_DIR:-/var/lib/switchhook-testbed}/oidc/node_modules/oidc-provider" ] ;;
    *) false ;;
  esac
}

# provisioned PART...: true when the testbed has these; what is missing is installed where it can be
provisioned() {
  local code=0
  if [ "$(id -u)" != 0 ] && there "$1"; then return 0; fi
  testbed/provision.sh "$@" || code=$?
  case "$code" in
    0) return 0 ;;
    "$EXIT_LEFT_OUT") WHY="needs root on Debian" ;;
    *) WHY="testbed/provision.sh $* failed" ;;
  esac
  return 1
}

page_built() { make --no-print-directory page; }

# start_postgres: a throw-away cluster; its address in SWITCHHOOK_TEST_POSTGRES
start_postgres() {
  if [ -n "${SWITCHHOOK_TEST_POSTGRES:-}" ]; then return 0; fi # the caller has one
  provisioned postgres || return 1
  if ! testbed/postgres.sh status >/dev/null; then STOP+=("testbed/postgres.sh clean"); fi
  testbed/postgres.sh start || { WHY="PostgreSQL did not start" && return 1; }
  SWITCHHOOK_TEST_POSTGRES="$(testbed/postgres.sh url)"
  export SWITCHHOOK_TEST_POSTGRES
}

# ---------------------------------------------------------------- parts

run_check() {
  headline "check: the house rules"
  scripts/tools.sh || true # what is missing is told by the step that needs it
  page_built               # the server embeds the page
  cargo --quiet xtask check
}

rust_tests() { # rust_tests FILTER: the tests that this nextest filter picks
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked -E "$1"
  elif [ "$1" = "$PBX_TESTS" ]; then
    cargo test --workspace --locked --no-fail-fast real_pbx
    cargo test --workspace --locked --no-fail-fast real_dial
  elif [ "$1" = "$SQS_TESTS" ]; then
    cargo test --workspace --locked --no-fail-fast real_sqs
  elif [ "$1" = "$OIDC_TESTS" ]; then
    cargo test --workspace --locked --no-fail-fast real_oidc
  elif [ "$1" = "$API_TESTS" ]; then
    cargo test --package switchhook-api --locked --no-fail-fast --test it -- \
      "${API_AREAS[@]/%/::}"
  else
    cargo test --workspace --locked --no-fail-fast --lib --bins --tests
  fi
}

run_rust() {
  headline "rust: all Rust tests${SWITCHHOOK_TEST_POSTGRES:+, PostgreSQL at $SWITCHHOOK_TEST_POSTGRES}"
  scripts/tools.sh || true
  page_built
  local failed=no
  rust_tests "not test(/^real_/)" || failed=yes
  headline "rust: the API on SQLite"
  SWITCHHOOK_TEST_STORE=sqlite rust_tests "$API_TESTS" || failed=yes
  if [ -n "${SWITCHHOOK_TEST_POSTGRES:-}" ]; then
    headline "rust: the API on PostgreSQL"
    SWITCHHOOK_TEST_STORE=postgres rust_tests "$API_TESTS" || failed=yes
  fi
  cargo test --workspace --locked --doc --quiet || failed=yes
  [ "$failed" = no ]
}

run_api() {
  headline "api: everything the OpenAPI document allows and forbids"
  local failed=no
  page_built
  scripts/fuzz-api.sh "sqlite://$TMP/fuzz.db" || failed=yes
  if [ -n "${SWITCHHOOK_TEST_POSTGRES:-}" ]; then
    scripts/fuzz-api.sh "$SWITCHHOOK_TEST_POSTGRES" || failed=yes
  fi
  [ "$failed" = no ]
}

run_pbx() { # the tests start and stop the PBX themselves (crates/server/tests/it/bed.rs)
  headline "pbx: a real Asterisk with SIP phones"
  rust_tests "$PBX_TESTS"
}

run_sqs() { # the tests start and stop the server themselves (crates/server/tests/it/real_sqs)
  headline "sqs: an SQS-compatible server"
  rust_tests "$SQS_TESTS"
}

run_oidc() { # the tests start and stop the provider themselves (crates/server/tests/it/real_oidc)
  headline "oidc: a real OpenID provider"
  rust_tests "$OIDC_TESTS"
}

run_page() {
  headline "page: unit tests"
  make --no-print-directory ui/node_modules/.package-lock.json
  npm --prefix ui test
}

# start_demo: the server as `make run` starts it, on a port of its own
start_demo() {
  local binary log="$TMP/demo.log" i
  cargo build --quiet --locked --package switchhook || return 1
  binary="${CARGO_TARGET_DIR:-target}/debug/switchhook"
  "$binary" demo --listen "$DEMO" --data-dir "$TMP/demo" >"$log" 2>&1 &
  DEMO_PID=$!
  for ((i = 0; i < 300; i++)); do
    SWITCHHOOK_SIGN_IN_LINK="$(sed -nE 's/^SIGN-IN LINK +//p' "$log" | head -n1)"
    if [ -n "$SWITCHHOOK_SIGN_IN_LINK" ]; then break; fi
    kill -0 "$DEMO_PID" 2>/dev/null || break
    sleep 0.1
  done
  if [ -z "$SWITCHHOOK_SIGN_IN_LINK" ]; then
    echo "the demo gave no sign-in link:" >&2
    tail -n 40 "$log" >&2
    return 1
  fi
  export SWITCHHOOK_SIGN_IN_LINK SWITCHHOOK_URL="http://$DEMO"
}

run_browser() {
  headline "browser: the page in Chromium against a running demo"
  local failed=no
  page_built
  # `part` runs this in a subshell: what is started here is stopped when that ends
  trap 'if [ -n "${DEMO_PID:-}" ]; then kill "$DEMO_PID" 2>/dev/null; wait "$DEMO_PID"; fi' EXIT
  start_demo && npm --prefix ui run e2e || failed=yes
  if [ "$failed" = yes ]; then tail -n 20 "$TMP/demo.log" >&2; fi
  [ "$failed" = no ]
}

run_fuzz() {
  headline "fuzz: every decoder for a while"
  scripts/fuzz.sh "${FUZZ_SECONDS:-10}"
}

# ---------------------------------------------------------------- main

do_part() {
  WHY=""
  case "$1" in
    check) part check run_check ;;
    rust)
      if ! start_postgres; then left_out rust/pg "PostgreSQL: $WHY; the SQLite half runs"; fi
      part rust run_rust
      ;;
    api)
      if ! provisioned python; then
        left_out api "$WHY"
        return
      fi
      if ! start_postgres; then left_out api/pg "PostgreSQL: $WHY; the SQLite half runs"; fi
      part api run_api
      ;;
    pbx)
      if ! provisioned packages asterisk; then
        left_out pbx "$WHY"
        return
      fi
      part pbx run_pbx
      ;;
    sqs)
      if ! provisioned python; then
        left_out sqs "$WHY"
        return
      fi
      part sqs run_sqs
      ;;
    oidc)
      if ! provisioned oidc; then
        left_out oidc "$WHY"
        return
      fi
      part oidc run_oidc
      ;;
    page) part page run_page ;;
    browser)
      if ! provisioned browser; then
        left_out browser "$WHY"
        return
      fi
      part browser run_browser
      ;;
    fuzz)
      if ! command -v g++ >/dev/null; then
        left_out fuzz "needs g++ (libFuzzer is C++)"
        return
      fi
      part fuzz run_fuzz
      ;;
    *) usage >&2 && exit 2 ;;
  esac
}

case "${1:-}" in -h | --help | help) usage && exit 0 ;; esac
if [ $# = 0 ]; then set -- "${PARTS[@]}"; fi
for name in "$@"; do do_part "$name"; done
clean_up

headline "total $(((SECONDS - STARTED) / 60)) min $(((SECONDS - STARTED) % 60)) s"
printf '%s\n' "${REPORT[@]}"
# the names once more where the eye falls, and where a shortened log still has them
if [ "${#BROKEN[@]}" -gt 0 ]; then printf '\nfailed\n' && printf '  %s\n' "${BROKEN[@]}"; fi
if [ "$PROBLEMS" -gt 0 ] && [ "$FAILED" = 0 ]; then FAILED=1; fi # left out in CI
printf '\n%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
[ "$PROBLEMS" = 0 ]
