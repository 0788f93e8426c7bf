"""What the chart makes around its pods: network policies, monitors, alerts, boards, notes."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml

from tests.deploy.chart import CHART, helm, of_kind, template
from tests.deploy.tools import ROOT

pytestmark = pytest.mark.xdist_group("chart")
BOARDS = ROOT / "grafana" / "dashboards"
FULL = "a-name-that-is-exactly-forty-characters1"


def _ports(rules: list[dict[str, Any]]) -> set[int]:
    return {port["port"] for rule in rules for port in rule.get("ports", [])}


def test_policies_let_out_what_a_component_needs_and_no_more() -> None:
    policies = {
        name.removeprefix("rel-echoarb-"): each["spec"]
        for name, each in of_kind("NetworkPolicy", "live").items()
    }
    out = {name: _ports(spec["egress"]) - {53} for name, spec in policies.items()}
    kafka, registry, clickhouse, internet = 9093, 8443, 8443, 443
    assert out == {
        "kalshi": {kafka, registry, internet},
        "polymarket": {kafka, registry, internet},
        "manifold": {kafka, registry, internet},
        "sink": {kafka, registry, clickhouse},
        "analytics": {kafka, registry, clickhouse, internet},  # it has webhooks
        "api": {kafka, registry, clickhouse},
        "topics": {kafka},
        "schemas": {registry},
        "migrate": {clickhouse},
        "test": {8000},
    }
    assert all(set(spec["policyTypes"]) == {"Ingress", "Egress"} for spec in policies.values())
    assert _ports(policies["sink"]["ingress"]) == {9091}
    assert policies["migrate"]["ingress"] == []
    metrics, requests = policies["api"]["ingress"]
    assert metrics["from"] == [{"namespaceSelector": {}}]
    assert requests["ports"] == [{"protocol": "TCP", "port": 8000}]
    # those that the values name, and the test pod
    assert len(requests["from"]) == 2


def test_every_brokers_port_and_a_urls_own_default_are_let_out() -> None:
    option = ("--set", "networkPolicy.enabled=true")
    hpa = of_kind("NetworkPolicy", "hpa", *option)["rel-echoarb-topics"]["spec"]["egress"]
    assert _ports(hpa) == {53, 9092, 9094}
    full = of_kind("NetworkPolicy", "everything")[f"{FULL}-schemas"]["spec"]["egress"]
    assert _ports(full) == {53, 443, 3128}


def test_monitors_find_the_ports_of_the_pods_and_services() -> None:
    [service_monitor] = of_kind("ServiceMonitor", "everything").values()
    wanted = service_monitor["spec"]["selector"]["matchLabels"].items()
    [service] = [
        each
        for each in of_kind("Service", "everything").values()
        if wanted <= each["metadata"]["labels"].items()
    ]
    assert service["spec"]["clusterIP"] == "None"  # never the API's LoadBalancer
    [port] = service["spec"]["ports"]
    [endpoint] = service_monitor["spec"]["endpoints"]
    assert endpoint["port"] == port["name"] == "metrics"
    [pod_monitor] = of_kind("PodMonitor", "everything").values()
    assert pod_monitor["metadata"]["labels"]["release"] == "prometheus"
    [expression] = pod_monitor["spec"]["selector"]["matchExpressions"]
    assert set(expression["values"]) == {"kalshi", "polymarket", "manifold", "sink", "analytics"}
    # the rule for targets that are down asks for a job with "echoarb" in its name
    for monitor in (endpoint, *pod_monitor["spec"]["podMetricsEndpoints"]):
        assert monitor["relabelings"][0]["targetLabel"] == "job"
        assert monitor["relabelings"][0]["replacement"] == "echoarb-$1"
    assert endpoint["relabelings"][1] == {"targetLabel": "cluster", "replacement": "main"}


def test_the_alerts_are_the_rules_but_for_what_the_values_change() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))
    option = ("--set", "metrics.prometheusRule.enabled=true")
    [same] = of_kind("PrometheusRule", "minimal", *option).values()
    assert same["spec"]["groups"] == rules["groups"]
    [changed] = of_kind("PrometheusRule", "everything").values()
    made = [rule for group in changed["spec"]["groups"] for rule in group["rules"]]
    names = {rule["alert"] for rule in made if "alert" in rule}
    all_names = {
        rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    }
    assert all_names - names == {"EchoArbRestarting"}
    links = [rule["annotations"]["runbook_url"] for rule in made if "alert" in rule]
    assert all(link.startswith("https://wiki.example/runbook#") for link in links)


def test_each_board_is_a_config_map_with_its_very_text() -> None:
    made = {
        name: each for name, each in of_kind("ConfigMap", "everything").items() if "-board-" in name
    }
    texts = {key: text for each in made.values() for key, text in each["data"].items()}
    assert texts.keys() == {path.name for path in BOARDS.glob("*.json")}
    for name, text in texts.items():
        assert text == (BOARDS / name).read_text("utf-8").rstrip("\n")
        json.loads(text)
        assert len(text) < 250_000  # kubectl's client-side apply keeps a copy in an annotation
    for each in made.values():
        assert len(each["data"]) == 1
        assert each["metadata"]["namespace"] == "monitoring"
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"]["grafana_folder"] == "EchoArb"


def test_the_datasource_is_that_of_the_boards_and_holds_no_password() -> None:
    provisioned = ROOT / "grafana" / "provisioning" / "datasources" / "echoarb.yaml"
    uids = {each["uid"] for each in yaml.safe_load(provisioned.read_text("utf-8"))["datasources"]}
    config = of_kind("ConfigMap", "everything")[f"{FULL}-datasource"]
    [source] = yaml.safe_load(config["data"]["echoarb-clickhouse.yaml"])["datasources"]
    assert source["uid"] in uids
    assert source["jsonData"]["host"] == "clickhouse"
    assert source["jsonData"]["port"] == 8443
    assert source["jsonData"]["secure"] is True
    assert source["jsonData"]["username"] == "reader"
    assert source["secureJsonData"] == {"password": "$ECHOARB_CLICKHOUSE_PASSWORD"}


def test_notes_tell_what_to_do_next() -> None:
    # Helm 3 shows them only to who has a cluster; template runs them all the same.
    command = ("install", "rel", ".", "--dry-run=client", "--namespace", "echoarb")
    minimal = helm("helm4", *command, "-f", "ci/minimal-values.yaml")
    assert minimal.returncode == 0, minimal.stderr
    notes = minimal.stdout.split("NOTES:")[1]
    assert "port-forward service/rel-echoarb-api 8000:80" in notes
    assert "helm test rel -n echoarb" in notes
    assert "Venues: manifold, polymarket." in notes
    assert "The API is open" in notes
    done = helm("helm4", *command, "-f", "ci/everything-values.yaml")
    full = done.stdout.split("NOTES:")[1]
    assert "Authorization: Bearer $KEY" in full
    assert "WARNING: the Ingress has no TLS" in full
    assert "release: ITS-RELEASE" in full
    assert "The API is open" not in full


def test_the_ingress_leads_to_the_apis_service() -> None:
    [ingress] = of_kind("Ingress", "live").values()
    [rule] = ingress["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = of_kind("Service", "live")[backend["name"]]
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_package_holds_boards_and_alerts_and_no_test_values(tmp_path: Any) -> None:
    done = helm("helm4", "package", ".", "-d", str(tmp_path))
    assert done.returncode == 0, done.stderr
    [package] = tmp_path.glob("echoarb-*.tgz")
    option = ("--set", "grafana.dashboards.enabled=true")
    values = ("-f", str(CHART / "ci" / "minimal-values.yaml"))
    packed = helm("helm4", "template", "rel", str(package), "-n", "echoarb", *values, *option)
    assert packed.returncode == 0, packed.stderr
    assert packed.stdout == template("helm4", "minimal", *option).stdout
    assert helm("helm4", "show", "readme", str(package)).stdout.startswith("# EchoArb's Helm chart")


def test_extra_objects_may_be_maps_or_templates() -> None:
    assert {f"{FULL}-more", "rel-text"} <= of_kind("ConfigMap", "everything").keys()


def test_the_chart_installs_the_version_that_this_is() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert chart["appVersion"] == project["version"]
