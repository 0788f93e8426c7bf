"""The chart's values: what is refused, in which words, and that every setting can be reached."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from echoarb.commands.settings import example
from scripts.chart_files import TYPED, setting_schemas, stale
from scripts.chart_values import table
from tests.deploy.chart import CASES, CHART, HELMS, of_kind, pod, template, values_json
from tests.deploy.tools import ROOT

pytestmark = pytest.mark.xdist_group("chart")

WRONG = [
    ("kafka.boostrapServers=k:9092", "at '/kafka': additional properties 'boostrapServers' not"),
    ("kafka.bootstrapServers=kafka", "'kafka' does not match pattern"),
    ("kafka.security=TLS", "value must be one of 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'"),
    ("registry.url=registry:8081", "at '/registry/url': 'registry:8081' does not match pattern"),
    ("clickhouse.url=http://user:secret@clickhouse", "at '/clickhouse/url': "),
    ("clickhouse.password=secret", "additional properties 'password' not allowed"),
    ("clickhouse.database=a-b", "at '/clickhouse/database': 'a-b' does not match pattern"),
    ("config.SINK_FLUSH_ROW=5", "at '/config': additional properties 'SINK_FLUSH_ROW' not allowed"),
    ("config.SINK_FLUSH_ROWS=0", "at '/config/SINK_FLUSH_ROWS': minimum: got 0, want 1"),
    ("config.SINK_FLUSH_ROWS=many", "at '/config/SINK_FLUSH_ROWS': got string, want integer"),
    ("config.KAFKA_PASSWORD=secret", "additional properties 'KAFKA_PASSWORD' not allowed"),
    ("config.LOG_LEVEL=LOUD", "value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    ("config.ALERT_CLEAR_RATIO=-1", "at '/config/ALERT_CLEAR_RATIO': "),
    (
        r"pods.podLabels.app\.kubernetes\.io/component=x",
        "at '/pods/podLabels/app.kubernetes.io~1component': false",
    ),
    ("image.digest=sha256:12", "at '/image/digest': 'sha256:12' does not match pattern"),
    ("image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("sink.replicas=two", "at '/sink/replicas': got string, want integer"),
    ("sink.replicas=-1", "at '/sink/replicas': minimum: got -1, want 0"),
    ("connectors.kalshi.replicas=2", "additional properties 'replicas' not allowed"),
    ("connectors.betfair.enabled=true", "additional properties 'betfair' not allowed"),
    ("sink.keda.lagThreshold=0", "at '/sink/keda/lagThreshold': minimum: got 0, want 1"),
    ("sink.resources.limits.memory=2 GB", "at '/sink/resources/limits/memory': "),
    ("api.port=80", "at '/api/port': minimum: got 80, want 1"),
    ("api.service.type=Public", "value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
    ("api.livenessProbe.httpGet.path=/", "additional properties 'httpGet' not allowed"),
    ("metrics.serviceMonitor.interval=often", "'often' does not match pattern"),
    ("grafana.dashboard.enabled=true", "additional properties 'dashboard' not allowed"),
    ("jobs.topics.replicationFactor=0", "at '/jobs/topics/replicationFactor': "),
    # what the schema can't say, the templates do
    ("api.open=false", "api.existingKeysSecret: name a Secret with the key file"),
    ("api.existingKeysSecret=keys", "api.open: true is for an API without keys"),
    ("kafka.security=SASL_SSL", "kafka.security: SASL_SSL needs kafka.sasl.existingSecret"),
    ("kafka.tls.caSecret=ca", "kafka.security: PLAINTEXT speaks no TLS"),
    ("kafka.bootstrapServers=", "kafka.bootstrapServers: say where Kafka is"),
    ("registry.url=", "registry.url: say where the schema registry is"),
    ("clickhouse.url=", "clickhouse.url: say where ClickHouse is"),
    ("clickhouse.reader.existingSecret=x", "needs clickhouse.reader.user"),
    ("connectors.kalshi.enabled=true", "needs connectors.kalshi.existingSecret"),
    (
        "sink.keda.enabled=true,sink.autoscaling.enabled=true",
        "sink: autoscaling and keda would both",
    ),
    ("api.autoscaling.enabled=true,api.autoscaling.minReplicas=9", "minReplicas is more than"),
    ("api.autoscaling.enabled=true,api.autoscaling.targetCPU=0", "needs targetCPU or targetMemory"),
    ("api.autoscaling.enabled=true,api.resources.requests.cpu=null", "requests.cpu, which is not"),
    ("analytics.keda.enabled=true,analytics.keda.minReplicas=9", "minReplicas is more than"),
    ("api.ingress.enabled=true", "api.ingress.enabled needs api.ingress.hosts"),
    ("api.drainSeconds=40", "has to be longer than api.drainSeconds"),
    ("metrics.port=8000", "api.port and metrics.port have to differ"),
    ("marketPairs.json=[", "marketPairs.json is no JSON object"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[change for change, _ in WRONG])
def test_a_wrong_value_is_refused_with_a_word_of_where_and_what(change: str, message: str) -> None:
    done = template("helm4", "minimal", "--set", change)
    assert done.returncode != 0
    assert message in done.stderr, done.stderr


def test_helm_3_refuses_too_and_names_the_value() -> None:
    for change, _ in WRONG[:8]:
        done = template("helm3", "minimal", "--set", change)
        assert done.returncode != 0
        section, _, name = change.split("=")[0].partition(".")
        assert section in done.stderr, done.stderr
        assert name in done.stderr, done.stderr


def test_every_setting_has_a_value_of_its_own_or_stands_in_config() -> None:
    names = set(re.findall(r"^#ECHOARB_(\w+)=", example(), re.MULTILINE))
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    config = schema["definitions"]["settings"]["properties"].keys()
    assert config | TYPED.keys() == names
    assert not config & TYPED.keys()
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for path in TYPED.values():
        place: Any = values
        for key in path.split("."):
            place = place[key]  # raises where there is no such value


def test_config_takes_no_secret() -> None:
    secret = {name for name, schema in setting_schemas().items() if schema.get("writeOnly")}
    assert {"KAFKA_PASSWORD", "ALERT_WEBHOOKS", "API_CLICKHOUSE_PASSWORD"} <= secret
    assert secret <= TYPED.keys()


@pytest.mark.parametrize("version", HELMS)
def test_numbers_reach_the_services_as_they_were_written(version: str) -> None:
    done = template(version, "live")
    [config] = [
        each
        for each in yaml.safe_load_all(done.stdout)
        if each and each["kind"] == "ConfigMap" and each["metadata"]["name"] == "rel-echoarb"
    ]
    data = config["data"]
    assert data["ECHOARB_API_QUERY_ROWS"] == "5000000000"  # not 5e+09
    assert data["ECHOARB_ALERT_CLEAR_RATIO"] == "0.7"
    assert data["ECHOARB_SINK_FLUSH_SECONDS"] == "0.25"
    assert data["ECHOARB_RETENTION_TICKS_DAYS"] == "90"
    assert data["ECHOARB_REGISTRY_REGISTER"] == "false"
    assert all(isinstance(value, str) for value in data.values())


@pytest.mark.parametrize("case", CASES)
def test_the_services_understand_the_variables_that_the_chart_gives(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {f"ECHOARB_{name}" for name in setting_schemas()}
    config = pod("manifold", case).container["envFrom"][0]["configMapRef"]["name"]
    data = of_kind("ConfigMap", case)[config]["data"]
    assert data.keys() <= known
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    from agents.settings import AnalyticsSettings, SinkSettings
    from api.gate import check
    from api.settings import ApiSettings
    from connectors.settings import ConnectorSettings

    for settings in (ConnectorSettings, SinkSettings, AnalyticsSettings):
        settings.load()
    if case != "parts":  # which has no API, and says nothing of keys
        check(ApiSettings.load())


def test_lists_of_markets_are_the_connectors_own_files(tmp_path: Any) -> None:
    from connectors.market_list import read_list

    text = of_kind("ConfigMap", "everything")["a-name-that-is-exactly-forty-characters1-markets"]
    file = tmp_path / "markets.toml"
    file.write_text(text["data"]["markets.toml"])
    assert read_list(file, "kalshi") == ["A", 'B "quoted" <&>']
    assert read_list(file, "polymarket") == ["will-it-rain"]
    for venue in ("kalshi", "polymarket", "manifold"):
        mounts = {each["name"] for each in pod(venue, "everything").container["volumeMounts"]}
        assert "markets" in mounts


def test_made_files_are_those_that_the_script_makes() -> None:
    assert stale() == [], "run .venv/bin/python scripts/chart_files.py"


def test_the_guides_values_are_taken_by_the_chart() -> None:
    guide = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)]
    values = [block for block in blocks if "apiVersion" not in block]
    assert len(values) == 4
    for block in values:
        done = template(
            "helm4",
            "minimal",
            *(["--set", "api.open=false"] if "api" in block else []),
            *values_json(block),
        )
        assert done.returncode == 0, (block, done.stderr)


def test_a_value_without_a_description_has_no_table() -> None:
    described = "# -- One\na: 1\nb:\n  # -- Two | two\n  c: [x]\n"
    assert table(described).splitlines()[2:] == [
        "| `a` | One | `1` |",
        '| `b.c` | Two \\| two | `["x"]` |',
    ]
    with pytest.raises(KeyError, match="d"):
        table(described + "d: 2\n")
