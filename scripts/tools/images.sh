#!/usr/bin/env bash
# What `make image` and `make compose` need on a machine that reaches package registries but no image
# registry: podman, docker-compose, a base image made from Debian's packages under the name that the
# Dockerfile gives and, with --standins, our image and what the stand-ins of other people's images are
# made of. Quick when all is there; may run in the background:
#
#   scripts/tools/images.sh --standins >images.log 2>&1 &
set -euo pipefail
cd "$(dirname "$0")/../.."

mkdir -p .tools
exec 9>.tools/images.lock
flock 9 # two at once would only get in each other's way

said() { echo "$(date -u +%T) $*"; }

said "podman, docker-compose, hadolint"
scripts/tools/podman.sh
scripts/tools/compose.sh
scripts/tools/hadolint.sh

if [ "${1:-}" = --standins ]; then
  said "stand-ins, meanwhile: Prometheus, Java, Apicurio Registry; Helm"
  scripts/tools/prometheus.sh
  (scripts/tools/registry.sh && scripts/tools/helm.sh) &
  fetching=$!
fi

# crun doesn't know hybrid cgroups, and without CAP_SYS_RESOURCE the default limits can't be set.
cat >.tools/containers.conf <<'END'
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
END
export CONTAINERS_CONF=$PWD/.tools/containers.conf

base=docker.io/library/python:$(sed -n 's/^ARG PYTHON=//p' Dockerfile)
# What python:slim has, `python` in /usr/local/bin included; the label tells an older base from this.
packages=python3-venv,ca-certificates,netbase,tzdata
label=$(podman image inspect --format '{{index .Labels "packages"}}' "$base" 2>/dev/null || true)
if [ "$label" != "$packages" ]; then
  said "base image $base, from Debian bookworm's Python"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  mmdebstrap --quiet --variant=apt --include="$packages" \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python3"' \
    bookworm "$scratch/base.tar"
  podman import --quiet --change 'CMD ["python3"]' --change "LABEL packages=$packages" \
    "$scratch/base.tar" "$base" >/dev/null
fi

# A machine may have all of podman and yet not be allowed to run a container.
podman run --rm --pull=never --network=none --read-only "$base" true

if [ "${1:-}" = --standins ]; then
  wait "$fetching"
  said "our image"
  scripts/tools/build.sh localhost/echoarb-test:latest
fi
said "ready"
