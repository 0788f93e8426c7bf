#!/usr/bin/env bash
# docker-compose 2.26.1, Debian trixie's, into .tools/: one package taken aside, so that no other
# package of this machine changes its release. apt checks the package's hash and signature.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=2.26.1
target=.tools/docker-compose
"$target" version --short 2>/dev/null | grep -q "^v\?$version" && exit 0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p .tools "$scratch/state/lists/partial" "$scratch/cache/archives/partial"
touch "$scratch/status"
# The mirror that this machine uses: deb822 first, the older form second.
mirror=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: //p' | head -1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list | head -1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $mirror trixie main" >"$scratch/sources.list"
options=(-o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::State="$scratch/state" -o Dir::State::status="$scratch/status"
  -o Dir::Cache="$scratch/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" -qq update
(cd "$scratch" && apt-get "${options[@]}" -qq download "docker-compose=$version*" &&
  dpkg-deb -x docker-compose_*.deb unpacked)
# Renamed as a whole: whoever looks meanwhile finds none, or a whole one.
cp "$scratch/unpacked/usr/libexec/docker/cli-plugins/docker-compose" "$target.new"
mv "$target.new" "$target"
