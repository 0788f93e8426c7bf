#!/usr/bin/env bash
# actionlint 1.7.12 into .tools/, built by Go, whose checksum database vouches for the sources.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=1.7.12
target=.tools/actionlint
"$target" --version 2>/dev/null | grep -q "^v\?$version" && exit 0

if ! command -v go >/dev/null; then
  echo "actionlint is built from its sources, and there is no Go here: get it from https://go.dev/dl" >&2
  exit 1
fi
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
mkdir -p .tools
GOBIN="$PWD/.tools" GOPATH="$scratch/go" GOFLAGS=-buildvcs=false \
  go install "github.com/rhysd/actionlint/cmd/actionlint@v$version"
