#!/bin/sh
# Puts berth in its place: picks the file for this machine from where the builds lie, a folder or a URL, checks it
# against SHA256SUMS beside it, and replaces what is there at once.
#
#   sh install.sh FROM [TO]          e.g. sh install.sh dist /usr/local/bin/berth
set -eu
from=${1:-}
to=${2:-/usr/local/bin/berth}
fail() {
  echo "install.sh: $1" >&2
  exit 1
}
[ -n "$from" ] || fail "expected where the builds lie: a folder, or a URL"
[ "$(uname -s)" = Linux ] || fail "berth is for Linux, not for $(uname -s)"
case $(uname -m) in
  x86_64) name=berth-linux-x64 ;;
  aarch64) name=berth-linux-arm64 ;;
  *) fail "there is no berth for $(uname -m): only for x86_64 and aarch64" ;;
esac

fetch() {
  case $from in
    http://* | https://*)
      if command -v curl >/dev/null; then curl -fsSL -o "$2" "$from/$1"; else wget -qO "$2" "$from/$1"; fi ;;
    *) cp "$from/$1" "$2" ;;
  esac
}
# Beside its place, so that it can be put there by a rename.
beside=$(mktemp "$to.XXXXXX") || fail "cannot write beside $to"
trap 'rm -f "$beside" "$beside.sums"' EXIT
fetch SHA256SUMS "$beside.sums" || fail "$from has no SHA256SUMS"
wanted=$(awk -v name="$name" '$2 == name { print $1 }' "$beside.sums")
[ -n "$wanted" ] || fail "$from/SHA256SUMS does not name $name"
fetch "$name" "$beside" || fail "cannot get $from/$name"
[ "$(sha256sum "$beside" | cut -d' ' -f1)" = "$wanted" ] || fail "$name is not what SHA256SUMS says: expected $wanted"
chmod 755 "$beside"
"$beside" version >/dev/null || fail "$name does not run on this machine"
mv -f "$beside" "$to"
echo "$to: $("$to" --version)"
