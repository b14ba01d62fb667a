#!/bin/sh
# Installs the servers and tools that the tests start for themselves, where they are absent. Starts nothing.
set -eu
missing=""
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing="$missing rabbitmq-server"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v xmlsec1 >/dev/null 2>&1 || missing="$missing xmlsec1"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null 2>&1; then as_root="sudo"; else
    echo "the tests need:$missing" >&2
    echo "as root: apt-get install$missing" >&2
    exit 1
  fi
  echo "installing$missing ..."
  # The packages would start servers of their own; the tests start private ones.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  $as_root apt-get update -qq
  # shellcheck disable=SC2086
  $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
# The SOAP server of npm, by its lock file (hashes checked); nothing of it is run while it is installed.
node="$(dirname "$0")/../e2e/thirdparty/node"
installed="$node/node_modules/.package-lock.json"
if [ ! -f "$installed" ] || [ "$node/package-lock.json" -nt "$installed" ]; then
  echo "installing the SOAP server of npm (hashes checked) ..."
  npm ci --prefix "$node" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
fi
