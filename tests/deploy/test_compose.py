"""docker-compose.kafka.yml: docker-compose's view, the rules that hold for it, and a real start."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.deploy import compose, podman
from tests.deploy.tools import ROOT, require

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000), pytest.mark.xdist_group("containers")]

OURS = "echoarb/echoarb"
JOBS = {"secrets", "topics", "schemas", "migrate"}
CONNECTORS = {"simulated-kalshi", "simulated-polymarket", "simulated-manifold"}
SERVICES = {"sink", "analytics", "api"} | CONNECTORS


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    """What docker-compose makes of the whole file."""
    found: dict[str, Any] = compose.config("simulated", "live")["services"]
    return found


@pytest.mark.parametrize("profiles", [(), ("simulated",), ("live",), ("simulated", "live")])
def test_docker_compose_accepts_it(profiles: tuple[str, ...]) -> None:
    services = compose.config(*profiles)["services"]
    assert ("venue-kalshi" in services) == ("simulated" in profiles)
    assert ("connector-kalshi" in services) == ("live" in profiles)


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yml"
    wrong.write_text(
        compose.FILE.read_text().replace("    command: [echoarb, migrate]", "    comand: x")
    )
    done = podman.run(require("docker-compose"), "-f", wrong, "config", "-q", check=False)
    assert done.returncode != 0
    assert "comand" in done.stderr


def test_ports_are_published_on_loopback_only(everything: dict[str, Any]) -> None:
    published = [port for service in everything.values() for port in service.get("ports", [])]
    assert len(published) == 6
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_every_container_has_limits_and_no_new_privileges(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"]["max-size"], name


def test_our_containers_may_do_next_to_nothing(everything: dict[str, Any]) -> None:
    ours = {name for name, service in everything.items() if OURS in service["image"]}
    assert ours >= JOBS | SERVICES
    for name in ours:
        service = everything[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "user" not in service or name in ("secrets", "connector-kalshi"), name


def test_images_are_pinned_by_version(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        assert re.search(r":v?\d+\.\d+(\.\d+)?$", service["image"]), name


def test_healthchecks_are_shell_lines(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        check = service.get("healthcheck", {})
        assert check.get("disable") or check.get("test", ["CMD-SHELL"])[0] == "CMD-SHELL", name
        assert (name in JOBS) == bool(check.get("disable")), name


def test_no_password_is_written_down(everything: dict[str, Any]) -> None:
    for name, service in everything.items():
        for variable in service.get("environment", {}):
            secret = re.search("PASSWORD|SECRET|TOKEN", variable)
            allowed = variable.endswith(("__FILE", "SECRETS_DIR"))
            assert secret is None or allowed, f"{name}: {variable}"


def test_every_setting_of_ours_exists(everything: dict[str, Any]) -> None:
    known = set(re.findall(r"^#(ECHOARB_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    known.add("ECHOARB_SECRETS_DIR")
    for name, service in everything.items():
        ours = {key for key in service.get("environment", {}) if key.startswith("ECHOARB_")}
        assert name == "grafana" or ours <= known, name


def test_prometheus_knows_every_service(everything: dict[str, Any]) -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = {
        target.partition(":")[0]
        for job in scraped["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    aliases = {everything[name]["networks"]["default"]["aliases"][0] for name in CONNECTORS}
    assert targets == {"sink", "analytics", "api"} | aliases
    assert aliases == {name for name in everything if name.startswith("connector-")}


def test_grafana_gets_what_its_provisioning_asks_for(everything: dict[str, Any]) -> None:
    texts = "".join(file.read_text() for file in (ROOT / "grafana/provisioning").rglob("*.yaml"))
    grafana = everything["grafana"]
    asked = set(re.findall(r"\$\{(\w+)\}", texts)) - {"NAME"}
    assert asked <= set(grafana["environment"])
    secrets = next(v["target"] for v in grafana["volumes"] if v["source"] == "grafana-secrets")
    files = set(re.findall(r"\$__file\{([^}]+)\}", texts)) - {"path"}
    assert files == {f"{secrets}/clickhouse_grafana_password"}
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "grafana/dashboards" / Path(home).name).exists()


def make_secrets(folder: Path) -> dict[str, str]:
    """Run the one-shot job in ``folder``; return its files' texts by name."""
    for name in ("writer", "api", "clickhouse", "grafana", "simulated"):
        (folder / name).mkdir(exist_ok=True)
    script = ROOT / "deploy/compose/make_secrets.py"
    template = ROOT / "deploy/compose/clickhouse/users.xml"
    subprocess.run([sys.executable, script, template, folder], check=True, capture_output=True)
    return {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}


def test_passwords_are_made_once_and_clickhouse_is_told_hashes(tmp_path: Path) -> None:
    first = make_secrets(tmp_path)
    assert make_secrets(tmp_path) == first
    users = ElementTree.fromstring(first["clickhouse/users.xml"]).find("users")  # noqa: S314 - ours
    assert users is not None
    hashes = {user.tag: user.findtext("password_sha256_hex") for user in users}
    files = {
        "echoarb": "writer/echoarb_clickhouse_password",
        "echoarb_api": "api/echoarb_api_clickhouse_password",
        "echoarb_grafana": "grafana/clickhouse_grafana_password",
    }
    for user, file in files.items():
        assert hashes.pop(user) == hashlib.sha256(first[file].encode()).hexdigest()
        assert len(first[file]) == 64
        assert first[file] not in first["clickhouse/users.xml"]
    assert hashes == {}
    shutil.rmtree(tmp_path / "api")
    assert make_secrets(tmp_path)[files["echoarb_api"]] != first[files["echoarb_api"]]


# ---- the real start ----


@pytest.fixture(scope="module")
def stack(compose_stack: compose.Stack) -> compose.Stack:
    """The stack, once ticks of every venue can be read from the API."""

    def all_there() -> bool:
        return all(ticks(compose_stack, venue) for venue in ("kalshi", "polymarket", "manifold"))

    compose.wait_until(all_there, "ticks of all venues")
    return compose_stack


def ticks(stack: compose.Stack, venue: str) -> list[Any]:
    """Return a venue's newest ticks as the API serves them."""
    answer = stack.ask("API_PORT", f"/api/v1/ticks?platform={venue}&limit=3")
    if answer is None or answer.status_code != 200:
        return []
    found: list[Any] = answer.json()["data"]
    return found


def test_ticks_come_through_to_the_api(stack: compose.Stack) -> None:
    ready = stack.ask("API_PORT", "/ready")
    assert ready is not None
    assert ready.json()["dependencies"] == {"clickhouse": "ok", "kafka": "ok"}
    stored = "/?query=SELECT+uniqExact(platform)+FROM+echoarb.ticks"
    counted = stack.ask("CLICKHOUSE_PORT", stored)
    assert counted is not None
    assert counted.text.strip() == "3"


def test_schemas_are_in_the_registry(stack: compose.Stack) -> None:
    subjects = stack.ask("REGISTRY_PORT", "/apis/ccompat/v7/subjects")
    assert subjects is not None
    assert "ticks.kalshi-value" in subjects.json()


def test_prometheus_reaches_every_service(stack: compose.Stack) -> None:
    def all_up() -> bool:
        answer = stack.ask("PROMETHEUS_PORT", "/api/v1/query?query=sum(up)")
        result = answer.json()["data"]["result"] if answer is not None else []
        return bool(result) and result[0]["value"][1] == "6"

    compose.wait_until(all_up, "all six targets of Prometheus")


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_each_service_is_healthy_with_a_read_only_root(stack: compose.Stack, service: str) -> None:
    name = f"{compose.PROJECT}-{service}-1"
    look = "{{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}} {{.State.Running}} {{.RestartCount}}"
    told = podman.run("podman", "inspect", "--format", look, name).stdout.strip()
    assert told == "true [] true 0"
    inside = "id -u; touch /app/x 2>&1; healthcheck && echo well"
    done = podman.run("podman", "exec", name, "sh", "-c", inside)
    assert re.fullmatch(r"10001\n.*Read-only file system\nwell\n", done.stdout), done.stdout


def test_nobody_sees_a_password_that_is_not_theirs(stack: compose.Stack) -> None:
    seen = {
        service: set(
            podman.run(
                "podman", "exec", f"{compose.PROJECT}-{service}-1", "sh", "-c", "ls /run/echoarb; :"
            ).stdout.split()
        )
        for service in ("sink", "api", "clickhouse", "simulated-manifold", "venue-manifold")
    }
    assert seen["sink"] == {"echoarb_clickhouse_password"}
    assert seen["api"] == {"echoarb_api_clickhouse_password"}
    assert seen["clickhouse"] == {"users.xml"}
    assert seen["simulated-manifold"] == set()
    assert seen["venue-manifold"] == {"simulated.private.pem", "simulated.public.pem"}


def test_what_is_stored_survives_down(stack: compose.Stack) -> None:
    form = (
        "--format",
        "{{.Name}}",
        "--filter",
        f"label=com.docker.compose.project={compose.PROJECT}",
    )
    volumes = podman.run("podman", "volume", "ls", *form).stdout.split()
    named = set(compose.config("simulated")["volumes"]) - {"grafana-data"}
    assert {f"{compose.PROJECT}_{name}" for name in named} <= set(volumes)
    mounts = "{{range .Mounts}}{{.Destination}}={{.Name}} {{end}}"
    for service, path in (("kafka", "/var/lib/kafka/data"), ("clickhouse", "/var/lib/clickhouse")):
        name = f"{compose.PROJECT}-{service}-1"
        told = podman.run("podman", "inspect", "--format", mounts, name).stdout.split()
        assert f"{path}={compose.PROJECT}_{service}-data" in told
