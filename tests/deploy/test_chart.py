"""The chart under real Helm 3 and 4, and its objects against the schemas of Kubernetes."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.deploy.chart import CASES, HELMS, Manifest, helm, rendered
from tests.deploy.tools import require_folder

pytestmark = pytest.mark.xdist_group("chart")
KUBERNETES = ("1.30.0", "1.37.0")
"""The oldest that Chart.yaml allows, and the newest there is."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", HELMS)
def test_lint_finds_nothing(version: str, case: str) -> None:
    done = helm(version, "lint", "--strict", ".", "-f", str(CASES[case]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("case", CASES)
def test_helm_3_and_4_make_the_same(case: str) -> None:
    three, four = (rendered(case, version=version) for version in HELMS)
    by_name = [
        sorted(made, key=lambda each: (each["kind"], each["metadata"]["name"]))
        for made in (three, four)
    ]
    assert by_name[0] == by_name[1]


def test_the_versions_are_those_meant() -> None:
    shown = [helm(version, "version", "--short").stdout for version in HELMS]
    assert [each[:3] for each in shown] == ["v3.", "v4."]


@functools.cache
def _kubernetes(version: str) -> tuple[dict[str, Any], dict[tuple[str, str], str]]:
    """Return the definitions, and the name of each by apiVersion and kind."""
    path = require_folder("kube-schemas") / f"kubernetes-{version}.json"
    whole = json.loads(path.read_text("utf-8"))
    names = {
        (f"{each['group']}/{each['version']}".lstrip("/"), each["kind"]): name
        for name, definition in whole["$defs"].items()
        for each in definition.get("x-kubernetes-group-version-kind", [])
    }
    return whole, names


@functools.cache
def _validator(version: str, api: str, kind: str) -> Draft202012Validator:
    whole, names = _kubernetes(version)
    if (api, kind) in names:
        schema = {"$defs": whole["$defs"], "$ref": f"#/$defs/{names[api, kind]}"}
    else:
        path = require_folder("kube-schemas") / f"{kind}.json"
        schema = json.loads(path.read_text("utf-8"))
    return Draft202012Validator(schema)


def _faults(version: str, each: Manifest) -> list[str]:
    """Return what is wrong with an object, a path and a word each."""
    found = _validator(version, each["apiVersion"], each["kind"]).iter_errors(each)
    name = f"{each['kind']} {each['metadata']['name']}"
    return [f"{name} {error.json_path}: {error.message[:200]}" for error in found]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_what_kubernetes_takes(version: str, case: str) -> None:
    made = rendered(case)
    assert [fault for each in made for fault in _faults(version, each)] == []


def test_every_kind_that_the_chart_knows_is_among_the_cases() -> None:
    kinds = {each["kind"] for case in CASES for each in rendered(case)}
    assert kinds == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "Job",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "ScaledObject",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "TriggerAuthentication",
    }


@pytest.mark.parametrize(
    ("kind", "path", "value", "word"),
    [
        ("Deployment", ("spec", "replica"), 2, "replica"),
        ("Deployment", ("spec", "template", "spec", "securityContext", "runAsUser"), "x", "'x'"),
        ("NetworkPolicy", ("spec", "egres"), [], "egres"),
        ("ServiceMonitor", ("spec", "endpoint"), [], "endpoint"),
        ("PodMonitor", ("spec", "podMetricsEndpoints"), {}, "podMetricsEndpoints"),
        ("PrometheusRule", ("spec", "groups"), [{"name": "x", "rule": []}], "rule"),
        ("ScaledObject", ("spec", "triggers", 0, "metadata", "lagThreshold"), 50, "lagThreshold"),
        ("ScaledObject", ("spec", "maxReplica"), 5, "maxReplica"),
        ("TriggerAuthentication", ("spec", "secretTargetRef", 0, "kee"), "x", "kee"),
    ],
)
def test_the_schemas_refuse_what_an_api_server_would(
    kind: str, path: tuple[str | int, ...], value: object, word: str
) -> None:
    each = next(each for each in rendered("everything") if each["kind"] == kind)
    changed = json.loads(json.dumps(each))
    *way, last = path
    place = changed
    for key in way:
        place = place[key]
    place[last] = value
    for version in KUBERNETES:
        faults = _faults(version, changed)
        assert any(word in fault for fault in faults), faults
