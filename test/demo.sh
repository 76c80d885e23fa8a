#!/bin/sh
# Runs a container with nothing downloaded: the host's own files, read-only below, with a
# layer of its own for what it writes.
set -eu
berth="$(dirname "$0")/../dist/berth"
BERTH_ROOT="$(mktemp -d)"
export BERTH_ROOT
trap 'rm -rf "$BERTH_ROOT"' EXIT
set -- run --rm --name demo --network none --rootfs / sh -c '
  echo "hello from the container $(hostname), process $$ of its own"
  rm -rf /usr/share/doc && echo "deleted /usr/share/doc, in here only"'
echo "+ berth run --rm --name demo --network none --rootfs / sh -c '…'"
"$berth" "$@"
if [ -d /usr/share/doc ]; then echo "and the host still has its own"; fi
