#!/usr/bin/env bash
# Our image by buildah, without a registry: scripts/tools/build.sh TAG. Nothing to do where it has been
# built from the same files. The base image comes from images.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=$1
export CONTAINERS_CONF=$PWD/.tools/containers.conf
inputs=(Dockerfile .dockerignore requirements/service.txt requirements/build.txt pyproject.toml README.md
  LICENSE agents api connectors echoarb schemas config deploy/image)
digest=$(find "${inputs[@]}" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum)
digest=${digest%% *}
built=$(podman image inspect --format '{{index .Labels "inputs"}}' "$tag" 2>/dev/null || true)
[ "$built" != "$digest" ] || exit 0

# This machine's certificates and package index, for the build alone.
secrets=()
[ ! -f /etc/ssl/certs/ca-certificates.crt ] ||
  secrets+=(--secret id=ca,src=/etc/ssl/certs/ca-certificates.crt)
[ ! -f /etc/pip.conf ] || secrets+=(--secret id=pip,src=/etc/pip.conf)
# --network=host: a build's own network would need rules that not every machine lets us set.
buildah bud --quiet --network=host --pull-never --format docker --label "inputs=$digest" \
  "${secrets[@]}" --tag "$tag" . >/dev/null
