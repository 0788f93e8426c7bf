#!/usr/bin/env bash
# prometheus and promtool, from Debian or Ubuntu. Any version from 2.42 on will do.
set -euo pipefail

if command -v promtool >/dev/null && command -v prometheus >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "prometheus and promtool are missing, and this is no Debian: get them from prometheus.io" >&2
  exit 1
fi
if [ "$(id -u)" = 0 ]; then sudo=(); else sudo=(sudo); fi
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends prometheus >/dev/null
