#!/usr/bin/env bash
# podman, buildah and what they need, from Debian: what `make image` and `make compose` run on where
# there is no Docker. Quick when all is there. mmdebstrap makes the base image.
set -euo pipefail

packages=(podman buildah runc netavark aardvark-dns catatonit uidmap slirp4netns mmdebstrap iptables)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

wait=(-o DPkg::Lock::Timeout=300)
apt-get "${wait[@]}" update -qq
DEBIAN_FRONTEND=noninteractive apt-get "${wait[@]}" install -y -qq --no-install-recommends \
  "${missing[@]}" >/dev/null
