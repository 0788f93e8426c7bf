"""Runs the real Helm over the chart, and says what it made."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy.tools import ROOT, require

CHART = ROOT / "deploy" / "helm" / "echoarb"
CASES = {path.stem.removesuffix("-values"): path for path in sorted((CHART / "ci").glob("*.yaml"))}
HELMS = ("helm3", "helm4")
Manifest = dict[str, Any]


def helm(version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm and return what came of it."""
    return subprocess.run(
        [require(version), *arguments], capture_output=True, text=True, cwd=CHART, timeout=60
    )


def template(version: str, case: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run helm template with a values file of ci/."""
    named = ("--name-template", "rel", "--namespace", "echoarb", "-f", str(CASES[case]))
    return helm(version, "template", ".", *named, *options)


@functools.cache
def rendered(case: str, *options: str, version: str = "helm4") -> tuple[Manifest, ...]:
    """Return the objects that Helm makes of a values file."""
    done = template(version, case, *options)
    assert done.returncode == 0, done.stderr
    made = yaml.load_all(done.stdout, Loader=yaml.CSafeLoader)
    return tuple(each for each in made if each is not None)


def of_kind(kind: str, case: str, *options: str) -> dict[str, Manifest]:
    """Return the objects of a kind by name."""
    found = (each for each in rendered(case, *options) if each["kind"] == kind)
    return {each["metadata"]["name"]: each for each in found}


@dataclass(frozen=True)
class Pod:
    """A pod's specification wherever it stands: in a Deployment, in a Job, or by itself."""

    owner: str
    name: str
    component: str
    metadata: Manifest
    spec: Manifest

    @property
    def container(self) -> Manifest:
        """Return its only container."""
        [container] = self.spec["containers"]
        return dict(container)

    def secret_files(self) -> dict[str, tuple[str, str]]:
        """Return (Secret, key) by file of its volume of secrets."""
        return {
            item["path"]: (source["secret"]["name"], item["key"])
            for volume in self.spec["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
            for item in source["secret"]["items"]
        }


def pods(case: str, *options: str) -> Iterator[Pod]:
    """Yield every pod of a case."""
    for each in rendered(case, *options):
        template = each if each["kind"] == "Pod" else each.get("spec", {}).get("template")
        if each["kind"] in ("Pod", "Deployment", "Job") and template:
            meta = {**each["metadata"], **template.get("metadata", {})}
            part = each["metadata"]["labels"]["app.kubernetes.io/component"]
            name = each["metadata"]["name"]
            yield Pod(each["kind"], name, part, meta, template["spec"])


def pod(component: str, case: str, *options: str) -> Pod:
    """Return the pod of a component."""
    [found] = [each for each in pods(case, *options) if each.component == component]
    return found


def values_json(values: Manifest) -> tuple[str, str]:
    """Return the options that set top-level values, exactly typed."""
    return ("--set-json", ",".join(f"{key}={json.dumps(each)}" for key, each in values.items()))
