"""The chart's own manifests, run: API and sink as pods of podman, beside the compose stack's Kafka.

podman 4.3 knows Deployments and Pods but no Jobs, so that the migration runs as the pod of its Job.
It would publish every port on this machine, and can't ask probes on named ports: ports and probes
are left out. What Kubernetes makes of them, and of Services, is checked in test_chart*.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy import compose, podman
from tests.deploy.tools import ROOT, require

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000), pytest.mark.xdist_group("containers")]

RELEASE = "kube-test"
DATABASE = "chart"
VALUES = {
    "image": {
        "registry": "localhost",
        "repository": "echoarb-test",
        "tag": "latest",
        "pullPolicy": "Never",
    },
    "kafka": {"bootstrapServers": "kafka:19092"},
    "registry": {"url": "http://registry:8080/apis/ccompat/v7"},
    "clickhouse": {"url": "http://clickhouse:8123", "database": DATABASE},
    "api": {"open": True},
    # Readers of their own, from the topics' beginning.
    "config": {"SINK_GROUP": RELEASE},
}


def rendered(folder: Path) -> list[dict[str, Any]]:
    """Return what the chart makes of VALUES."""
    values = folder / "values.json"
    values.write_text(json.dumps(VALUES))
    chart = ROOT / "deploy/helm/echoarb"
    done = podman.run(require("helm4"), "template", RELEASE, chart, "--skip-tests", "-f", values)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def component(document: dict[str, Any]) -> str:
    """Return which part of the chart a manifest is of."""
    return str(document["metadata"]["labels"].get("app.kubernetes.io/component"))


def without_ports(document: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without what podman would take for ports of this machine."""
    spec = document.get("spec", {})
    for container in spec.get("template", document).get("spec", {}).get("containers", []):
        for name in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
            container.pop(name, None)
    return document


def play(folder: Path, name: str, documents: list[dict[str, Any]]) -> None:
    """Run manifests in the stack's network."""
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump_all(map(without_ports, documents)))
    podman.run("podman", "play", "kube", "--replace", f"--network={compose.NETWORK}", file)


@pytest.fixture(scope="module")
def pods(
    compose_stack: compose.Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[dict[str, Any]]]:
    """API and sink of the chart, with tables of their own."""
    folder = tmp_path_factory.mktemp("kube")
    documents = rendered(folder)
    settings = [document for document in documents if document["kind"] == "ConfigMap"]
    (job,) = [d for d in documents if d["kind"] == "Job" and component(d) == "migrate"]
    migrate = {"apiVersion": "v1", "kind": "Pod", **job["spec"]["template"]}
    migrate["metadata"] = {**migrate["metadata"], "name": f"{RELEASE}-migrate"}
    deployments = [
        document
        for document in documents
        if document["kind"] == "Deployment" and component(document) in ("api", "sink")
    ]
    assert len(deployments) == 2
    names = [f"{document['metadata']['name']}-pod-0" for document in deployments]
    try:
        play(folder, "migrate", [*settings, migrate])
        (container,) = containers(f"{RELEASE}-migrate")
        assert podman.run("podman", "wait", container).stdout.strip() == "0"
        play(folder, "services", [*settings, *deployments])
        yield deployments
    finally:
        podman.run(
            "podman", "pod", "rm", "-f", "-t", "1", f"{RELEASE}-migrate", *names, check=False
        )
        compose_stack.end()  # nobody comes after


def containers(pod: str) -> list[str]:
    """Return the ids of a pod's containers but the one that holds it."""
    inspected = json.loads(podman.run("podman", "pod", "inspect", pod).stdout)
    infra = inspected["InfraContainerID"]
    return [each["Id"] for each in inspected["Containers"] if each["Id"] != infra]


def test_chart_stores_ticks_and_serves_them(pods: list[dict[str, Any]]) -> None:
    (name,) = [d["metadata"]["name"] for d in pods if component(d) == "api"]
    pod = json.loads(podman.run("podman", "pod", "inspect", f"{name}-pod-0").stdout)
    (infra,) = json.loads(podman.run("podman", "inspect", pod["InfraContainerID"]).stdout)
    address = infra["NetworkSettings"]["Networks"][compose.NETWORK]["IPAddress"]

    def served() -> bool:
        url = f"http://{address}:8000/api/v1/ticks?limit=5"
        try:
            answer = httpx.get(url, headers={"Host": "localhost"}, timeout=20, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and len(answer.json()["data"]) == 5

    compose.wait_until(served, "ticks from the chart's API")


def test_pods_run_as_the_chart_says(pods: list[dict[str, Any]]) -> None:
    for deployment in pods:
        (container,) = containers(f"{deployment['metadata']['name']}-pod-0")
        (found,) = json.loads(podman.run("podman", "inspect", container).stdout)
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert not found["EffectiveCaps"]
        inside = podman.run("podman", "exec", container, "sh", "-c", "id -u; id -g; healthcheck")
        assert inside.stdout == "10001\n10001\n"
