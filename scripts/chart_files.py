"""Make the files of the Helm chart that come from elsewhere in the repository.

python scripts/chart_files.py writes them, with --check it only says which are not up to date:

- files/: the boards and alert rules, which a chart can't read from outside of its folder
- values.schema.json: deploy/helm/values.schema.yaml, with the settings that `config` may hold
- README.md: the table of values.yaml
"""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from echoarb.commands.settings import SOURCES  # noqa: E402
from scripts.chart_values import table  # noqa: E402

CHART = ROOT / "deploy" / "helm" / "echoarb"
BOARDS = ROOT / "grafana" / "dashboards"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
SCHEMA = ROOT / "deploy" / "helm" / "values.schema.yaml"

TYPED = {
    "KAFKA_BOOTSTRAP": "kafka.bootstrapServers",
    "KAFKA_SECURITY": "kafka.security",
    "KAFKA_SASL_MECHANISM": "kafka.sasl.mechanism",
    "KAFKA_USERNAME": "kafka.sasl.username",
    "KAFKA_PASSWORD": "kafka.sasl.existingSecret",
    "KAFKA_CA_FILE": "kafka.tls.caSecret",
    "KAFKA_CERT_FILE": "kafka.tls.clientSecret",
    "KAFKA_KEY_FILE": "kafka.tls.clientSecret",
    "REGISTRY_URL": "registry.url",
    "REGISTRY_CA_FILE": "registry.caSecret",
    "REGISTRY_REGISTER": "registry.register",
    "REGISTRY_USERNAME": "registry.existingSecret",
    "REGISTRY_PASSWORD": "registry.existingSecret",
    "CLICKHOUSE_URL": "clickhouse.url",
    "CLICKHOUSE_USER": "clickhouse.user",
    "CLICKHOUSE_PASSWORD": "clickhouse.existingSecret",
    "CLICKHOUSE_DATABASE": "clickhouse.database",
    "CLICKHOUSE_CLUSTER": "clickhouse.cluster",
    "CLICKHOUSE_CA_FILE": "clickhouse.caSecret",
    "API_CLICKHOUSE_USER": "clickhouse.reader.user",
    "API_CLICKHOUSE_PASSWORD": "clickhouse.reader.existingSecret",
    "MARKET_PAIRS": "marketPairs.json",
    "METRICS_HOST": "metrics.address",
    "METRICS_PORT": "metrics.port",
    "API_HOST": "metrics.address",
    "API_PORT": "api.port",
    "API_KEYS_FILE": "api.existingKeysSecret",
    "API_OPEN": "api.open",
    "KALSHI_KEY_ID": "connectors.kalshi.existingSecret",
    "KALSHI_PRIVATE_KEY_FILE": "connectors.kalshi.existingSecret",
    "KALSHI_MARKETS_FILE": "connectors.kalshi.markets",
    "POLYMARKET_MARKETS_FILE": "connectors.polymarket.markets",
    "MANIFOLD_MARKETS_FILE": "connectors.manifold.markets",
    "ALERT_WEBHOOKS": "analytics.webhooks.existingSecret",
    "ALERT_WEBHOOK_SECRET": "analytics.webhooks.existingSecret",
}
"""Settings that have a value of their own, so that `config` takes them not."""


def setting_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every setting by its name without ECHOARB_."""
    found: dict[str, dict[str, Any]] = {}
    for _, source in SOURCES:
        module, _, name = source.partition(":")
        fields = getattr(import_module(module), name).model_json_schema()["properties"]
        for field, described in fields.items():
            found.setdefault(field.upper(), _plain(described))
    return found


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what Helm's validator understands of a field's schema."""
    kept = {key: value for key, value in schema.items() if key not in ("title", "format")}
    if "anyOf" in kept:
        # A Decimal is a number or a text; Go's patterns can't look ahead as pydantic's do.
        kept["anyOf"] = [
            {"type": "string"}
            | ({"pattern": r"^-?[0-9]+(\.[0-9]+)?$"} if "pattern" in each else {})
            if each["type"] == "string"
            else _plain(each)
            for each in kept["anyOf"]
            if each["type"] != "null"
        ]
    if kept.get("default") is None:
        kept.pop("default", None)
    return kept


def schema() -> str:
    """Return values.schema.json."""
    whole = yaml.safe_load(SCHEMA.read_text("utf-8"))
    names = {name: each for name, each in setting_schemas().items() if name not in TYPED}
    whole["definitions"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": names,
    }
    return json.dumps(whole, indent=2) + "\n"


def readme(current: str) -> str:
    """Return the chart's README with the table of its values between the two marks."""
    marks = re.compile(r"(<!-- values: [^>]*-->\n).*(\n<!-- end of values -->)", re.DOTALL)
    values = table((CHART / "values.yaml").read_text("utf-8"))
    return marks.sub(lambda found: found[1] + values + found[2], current)


def files() -> dict[Path, str]:
    """Return every made file's text by its path."""
    made = {
        CHART / "files" / "dashboards" / path.name: path.read_text("utf-8")
        for path in sorted(BOARDS.glob("*.json"))
    }
    made[CHART / "files" / "alerts.yml"] = ALERTS.read_text("utf-8")
    made[CHART / "values.schema.json"] = schema()
    made[CHART / "README.md"] = readme((CHART / "README.md").read_text("utf-8"))
    return made


def stale() -> list[str]:
    """Return what is not as it should be, and boards that are no more."""
    made = files()
    wrong = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    left = [path for path in (CHART / "files").rglob("*") if path.is_file() and path not in made]
    return [str(path.relative_to(ROOT)) for path in wrong + left]


def main() -> None:
    """Write the files, or check them."""
    if "--check" in sys.argv[1:]:
        if wrong := stale():
            sys.exit(f"run python scripts/chart_files.py: {', '.join(wrong)}")
        return
    made = files()
    for path in (CHART / "files").rglob("*"):
        if path.is_file() and path not in made:
            path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
