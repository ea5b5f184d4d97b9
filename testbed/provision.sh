#!/usr/bin/env bash
# provision.sh [all|packages|asterisk|postgres|browser|python|oidc]...
#
# Puts on this machine the real parts that Switchhook is tested against:
#   packages  SIPp and the small tools the testbed needs
#   asterisk  an Asterisk PBX from Debian's unstable suite, in a folder of its own
#   postgres  PostgreSQL's server programs (no cluster is made or started: postgres.sh does that)
#   browser   Chromium with fonts
#   python    a Python environment with an SQS-compatible server (moto)
#   oidc      an OpenID provider (npm's oidc-provider; needs Node and npm, no root)
# Safe to run again: what is there already is left alone, and then it takes under a second.
#
# Environment:  SWITCHHOOK_TESTBED_DIR   where it all goes (default /var/lib/switchhook-testbed)
#               TESTBED_DEBIAN_MIRROR    mirror to use instead of the machine's own
# Exit code:    0 all there · 1 something failed · 2 wrong use · 3 left out (not root, or no Debian)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BASE_PACKAGES=(sip-tester debootstrap debian-archive-keyring ca-certificates curl iproute2 util-linux python3)
POSTGRES_PACKAGES=(postgresql)
BROWSER_PACKAGES=(chromium fonts-dejavu-core fonts-liberation)
PYTHON_PACKAGES=(python3 python3-venv)
ASTERISK_SUITE=sid
ASTERISK_LAYOUT=1 # raise to make every machine build its Asterisk folder anew
PARTS=(packages asterisk postgres browser python oidc)

APT_FRESH=no
STARTED=$SECONDS

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
step() { printf '[%3ds] %s\n' "$((SECONDS - STARTED))" "$*"; }

# ---------------------------------------------------------------- Debian packages

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

missing_packages() {
  local p
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
  done
}

install_packages() { # install_packages LABEL PACKAGE...
  local label="$1" missing log
  shift
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" = 0 ]; then
    step "$label: there already"
    return
  fi
  log="$(mktemp)"
  if [ "$APT_FRESH" = no ]; then
    step "$label: apt-get update"
    # a third party's list that cannot be read must not stop us; the install tells the truth
    apt_get update >"$log" 2>&1 || step "$label: apt-get update complained (see below if the install fails)"
    APT_FRESH=yes
  fi
  step "$label: installing ${missing[*]}"
  if ! apt_get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    die "$label: apt-get could not install ${missing[*]}"
  fi
  rm -f "$log"
  step "$label: installed"
}

# ---------------------------------------------------------------- the machine's own mirror

# Prints "URI SUITES..." for every binary archive in apt's configuration, both file styles.
apt_archives() {
  local dir="${TESTBED_APT_DIR:-/etc/apt}" f
  for f in "$dir"/sources.list "$dir"/sources.list.d/*.list; do
    [ -f "$f" ] || continue
    # deb [option=value ...] URI SUITE COMPONENT...
    sed -nE 's/^[[:space:]]*deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^[:space:]]+)[[:space:]]+([^[:space:]]+).*/\2 \3/p' "$f"
  done
  for f in "$dir"/sources.list.d/*.sources; do
    [ -f "$f" ] || continue
    # paragraphs of "Field: value", continued on indented lines
    awk '
      function flush(  n, u, i) {
        if (types ~ /(^|[ \t])deb([ \t]|$)/ && tolower(enabled) !~ /no|false|off|0/) {
          n = split(uris, u, /[ \t]+/)
          for (i = 1; i <= n; i++) if (u[i] != "") print u[i], suites
        }
        types = uris = suites = enabled = field = ""
      }
      /^#/ { next }
      /^[ \t]*$/ { flush(); next }
      /^[ \t]/ { value = $0 }
      /^[^ \t]/ { field = tolower($0); sub(/:.*/, "", field); value = $0; sub(/^[^:]*:/, "", value) }
      { sub(/^[ \t]+/, "", value); sub(/[ \t]+$/, "", value)
        if (field == "types") types = types " " value
        else if (field == "uris") uris = uris " " value
        else if (field == "suites") suites = suites " " value
        else if (field == "enabled") enabled = value }
      END { flush() }' "$f"
  done
}

debian_mirror() {
  if [ -n "${TESTBED_DEBIAN_MIRROR:-}" ]; then
    echo "$TESTBED_DEBIAN_MIRROR"
    return
  fi
  local codename uri suites
  codename="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"
  # the archive that carries our own release itself (not -security, -updates or a third party's)
  while read -r uri suites; do
    case " $suites " in *" $codename "* | *" stable "* | *" testing "* | *" sid "* | *" unstable "*) ;; *) continue ;; esac
    case "$uri" in
      mirror+file:*) uri="$(grep -m1 -oE '^[a-z+]+:[^[:space:]]+' "${uri#mirror+file:}" || true)" ;;
      mirror+http*) uri="${uri#mirror+}" ;;
    esac
    case "$uri" in http://* | https://* | file:* | copy:*) ;; *) continue ;; esac
    # a third party may use the same suite name: the real one also has unstable
    case "$uri" in
      file:* | copy:*) [ -e "${uri#*:}/dists/$ASTERISK_SUITE" ] || continue ;;
      *) curl -fsSIL --max-time 30 -o /dev/null "${uri%/}/dists/$ASTERISK_SUITE/InRelease" || continue ;;
    esac
    echo "${uri%/}"
    return
  done < <(apt_archives)
  return 1
}

# ---------------------------------------------------------------- parts

part_packages() { install_packages packages "${BASE_PACKAGES[@]}"; }

asterisk_version() { chroot "$ASTERISK_ROOT" /usr/sbin/asterisk -V 2>/dev/null; }

part_asterisk() {
  install_packages "asterisk's tools" debootstrap debian-archive-keyring ca-certificates curl util-linux iproute2
  mkdir -p "$SWITCHHOOK_TESTBED_DIR"
  # two provisioners must not build the same folder
  exec 9>"$SWITCHHOOK_TESTBED_DIR/.provision.lock"
  flock -w 1200 9 || die "asterisk: another provision.sh has held the lock for 20 minutes"
  if [ "$(cat "$ASTERISK_ROOT/.testbed-layout" 2>/dev/null)" = "$ASTERISK_LAYOUT" ] && asterisk_version >/dev/null; then
    step "asterisk: there already: $(asterisk_version)"
    exec 9>&-
    return
  fi

  local mirror new log proxy try done=no
  mirror="$(debian_mirror)" || die "asterisk: no Debian archive with suite $ASTERISK_SUITE in apt's configuration; set TESTBED_DEBIAN_MIRROR"
  if [ -z "${http_proxy:-}" ]; then
    proxy="$(apt-config dump Acquire::http::Proxy 2>/dev/null | sed -nE 's/^Acquire::http::Proxy "(.*)";$/\1/p')"
    [ -n "$proxy" ] && [ "$proxy" != DIRECT ] && export http_proxy="$proxy"
  fi
  new="$ASTERISK_ROOT.new"
  log="$SWITCHHOOK_TESTBED_DIR/debootstrap.log"
  # unstable changes several times a day: an archive caught half-way is tried again
  for try in 1 2 3; do
    rm -rf --one-file-system "$new"
    step "asterisk: debootstrap of $ASTERISK_SUITE into $ASTERISK_ROOT, try $try (about a minute, 500 MB; log: $log)"
    if debootstrap --variant=minbase --include=asterisk "$ASTERISK_SUITE" "$new" "$mirror" >"$log" 2>&1; then
      done=yes
      break
    fi
    tail -n 5 "$log" >&2
    # debootstrap may leave these behind when it fails
    umount "$new/proc" "$new/sys" 2>/dev/null || true
    sleep $((try * 5))
  done
  [ "$done" = yes ] || die "asterisk: debootstrap failed three times; see $log"
  if mountpoint -q "$new/proc"; then umount "$new/proc"; fi
  if mountpoint -q "$new/sys"; then umount "$new/sys"; fi

  rm -rf "$new"/var/cache/apt/archives/*.deb "$new"/var/lib/apt/lists/*
  echo "$ASTERISK_LAYOUT" >"$new/.testbed-layout"
  if [ -e "$ASTERISK_ROOT" ]; then
    # a folder of an older layout, or a broken one; a PBX running from it keeps its open files
    rm -rf --one-file-system "$ASTERISK_ROOT.old"
    mv "$ASTERISK_ROOT" "$ASTERISK_ROOT.old"
    mv "$new" "$ASTERISK_ROOT"
    rm -rf --one-file-system "$ASTERISK_ROOT.old"
  else
    mv "$new" "$ASTERISK_ROOT"
  fi
  exec 9>&-
  step "asterisk: $(asterisk_version || die 'asterisk: installed, but does not run')"
}

part_postgres() {
  if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    # Debian would make and start a cluster on port 5432: we want the programs only
    install_packages "postgres (common)" postgresql-common
    mkdir -p /etc/postgresql-common/createcluster.d
    [ -e /etc/postgresql-common/createcluster.d/switchhook-testbed.conf ] ||
      echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/switchhook-testbed.conf
    install_packages postgres "${POSTGRES_PACKAGES[@]}"
  else
    step "postgres: there already: $(basename "$(dirname "$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n1)")")")"
  fi
}

part_browser() { install_packages browser "${BROWSER_PACKAGES[@]}"; }

part_python() {
  install_packages python "${PYTHON_PACKAGES[@]}"
  local venv="$SWITCHHOOK_TESTBED_DIR/python" want="$TESTBED_HOME/python/requirements.txt"
  mkdir -p "$SWITCHHOOK_TESTBED_DIR"
  if [ -x "$venv/bin/moto_server" ] && cmp -s "$want" "$venv/.requirements.txt"; then
    step "python: there already: $venv"
    return
  fi
  step "python: environment with $(grep -v '^#' "$want" | tr '\n' ' ')in $venv"
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check --no-input -r "$want" || die "python: pip failed"
  cp "$want" "$venv/.requirements.txt"
  step "python: installed"
}

part_oidc() {
  local folder="$SWITCHHOOK_TESTBED_DIR/oidc" want="$TESTBED_HOME/oidc/package-lock.json"
  command -v npm >/dev/null || die "oidc: needs Node and npm"
  if cmp -s "$want" "$folder/.package-lock.json"; then
    step "oidc: there already: $folder"
    return
  fi
  step "oidc: npm ci in $folder"
  mkdir -p "$folder"
  cp "$TESTBED_HOME/oidc/package.json" "$want" "$folder/"
  (cd "$folder" && npm ci --silent --no-audit --no-fund) || die "oidc: npm ci failed"
  cp "$want" "$folder/.package-lock.json"
  step "oidc: installed"
}

# ---------------------------------------------------------------- main

left_out() { # left_out REASON
  box "LEFT OUT: the real parts of the tests ($*)" \
    "" \
    "reason: $REASON" \
    "not set up: ${TODO[*]}" \
    "so no test against a real Asterisk, SIPp, PostgreSQL, Chromium or SQS server" \
    "can run here, unless these are there already." \
    "" \
    "to set them up: on Debian 12, as root:" \
    "    $TESTBED_HOME/provision.sh ${TODO[*]}" \
    "or, in a container:  docker run --rm -it -v \"\$PWD\":/src debian:12 bash"
  exit "$EXIT_LEFT_OUT"
}

TODO=()
for arg in "${@:-all}"; do
  case "$arg" in
    all) TODO+=("${PARTS[@]}") ;;
    packages | asterisk | postgres | browser | python | oidc) TODO+=("$arg") ;;
    mirror) # for a look at what would be used
      debian_mirror
      exit
      ;;
    -h | --help | help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null || ! grep -qE '^ID=debian$' /etc/os-release 2>/dev/null; then
  REASON="this is no Debian machine"
  left_out provision.sh
fi
if [ "$(id -u)" != 0 ]; then
  REASON="you are $(id -un), not root"
  left_out provision.sh
fi

for part in "${TODO[@]}"; do "part_$part"; done
step "done: ${TODO[*]}; total $((SECONDS - STARTED)) s"
