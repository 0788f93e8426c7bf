#!/usr/bin/env bash
# JSON schemas of Kubernetes' kinds, oldest and newest that the chart supports, and of the custom ones
# that it makes, into .tools/kube-schemas/. They come from wheels on PyPI that hold them, or models that
# they can be made of; unpacked aside, not installed: 108 MB that only the chart's tests want.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=.tools/kube-schemas
wanted="kubernetes-validate 1.37.0, keda 2.16.1.0, prometheus-operator 0.80.1.0, strict"
if [ "$(cat "$target/made-from" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

mkdir -p .tools
folder=$(mktemp -d .tools/fetching.XXXXXX)
trap 'rm -rf "$folder"' EXIT
scripts/tools/wheels.sh "$folder" <<'TXT'
kubernetes-validate==1.37.0 --hash=sha256:85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9
cloudcoil==0.6.0 --hash=sha256:91793dea2e86ad292af143c5d335ce2e5d27dfbe66fd4b945c2f069224cf7698
cloudcoil-models-keda==2.16.1.0 --hash=sha256:9ec4a118def872b68216d9057ef386701b32fcb0ec2173f49c6214d309176b46
cloudcoil-models-prometheus-operator==0.80.1.0 --hash=sha256:a139a60cc0114caace847a34275d7a7cd899ec2dad4120504d8e1cf6a8de0270
TXT
.venv/bin/python - "$folder" <<'PY'
import json, sys, zipfile
from pathlib import Path

folder = Path(sys.argv[1])
made = folder / "made"
made.mkdir()

[wheel] = folder.glob("kubernetes_validate-*.whl")
with zipfile.ZipFile(wheel) as content:
    for version in ("1.30.0", "1.37.0"):
        path = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/_definitions.json"
        (made / f"kubernetes-{version}.json").write_bytes(content.read(path))

models = folder / "models"
for wheel in folder.glob("cloudcoil*.whl"):
    zipfile.ZipFile(wheel).extractall(models)
sys.path.append(str(models))
from cloudcoil.models.keda import v1alpha1
from cloudcoil.models.prometheus_operator import v1


def strict(schema):
    """Refuse fields that a kind does not have, as an API server does."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            strict(inner)
    elif isinstance(schema, list):
        for inner in schema:
            strict(inner)
    return schema


kinds = (v1alpha1.ScaledObject, v1alpha1.TriggerAuthentication, v1.ServiceMonitor, v1.PodMonitor, v1.PrometheusRule)
for kind in kinds:
    text = json.dumps(strict(kind.model_json_schema(by_alias=True)))
    (made / f"{kind.__name__}.json").write_text(text)
PY
rm -rf "$target"
mv "$folder/made" "$target"
echo "$wanted" >"$target/made-from"
