"""The alert rules: each fires and clears, each has its page in the runbook, none asks in vain."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.deploy import promql
from tests.deploy.boards import boards, panels
from tests.deploy.rule_cases import CASES, Case
from tests.deploy.tools import require

FOLDER = promql.RULES.parent
RUNBOOK = promql.ROOT / "docs" / "runbook.md"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    command = [require("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def unit_test(rules: Path, cases: tuple[Case, ...]) -> dict[str, Any]:
    """Return promtool's unit tests of the cases: silent before, firing during, silent after."""
    tests = []
    for case in cases:
        name = f"EchoArb{case.alert}"
        rule = promql.alerts()[name]
        labels = {"severity": rule["labels"]["severity"], **case.labels}
        summary = rule["annotations"]["summary"]
        for label, value in labels.items():
            summary = summary.replace(f"{{{{ $labels.{label} }}}}", value)
        link = rule["annotations"]["runbook_url"]
        annotations = {"summary": summary, "description": case.text, "runbook_url": link}
        firing = [{"exp_labels": labels, "exp_annotations": annotations}]
        times = {case.before: [], case.during: firing, case.after: []}
        tests.append(
            {
                "name": name,
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in case.series.items()],
                "alert_rule_test": [
                    {"alertname": name, "eval_time": f"{minute}m", "exp_alerts": expected}
                    for minute, expected in times.items()
                ],
            }
        )
    return {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}


def run_unit_test(folder: Path, rules: Path, cases: tuple[Case, ...]) -> tuple[int, str]:
    """Run the cases against a rule file; return promtool's exit code and what it said."""
    path = folder / "alerts.test.yml"
    path.write_text(yaml.safe_dump(unit_test(rules, cases), width=1000), encoding="utf-8")
    done = promtool("test", "rules", path)
    return done.returncode, done.stdout + done.stderr


def test_promtool_accepts_rules_and_configuration() -> None:
    rules = promtool("check", "rules", "--lint-fatal", promql.RULES)
    assert rules.returncode == 0, rules.stderr
    config = promtool("check", "config", FOLDER / "prometheus.yml")
    assert config.returncode == 0, config.stdout + config.stderr


def test_each_alert_is_silent_fires_and_clears(tmp_path: Path) -> None:
    covered = dict.fromkeys(f"EchoArb{case.alert}" for case in CASES)
    assert list(covered) == list(promql.alerts())
    code, said = run_unit_test(tmp_path, promql.RULES, CASES)
    assert code == 0, said


def test_a_misspelt_metric_fails_the_alerts_unit_test(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yml"
    text = promql.RULES.read_text(encoding="utf-8")
    rules.write_text(text.replace("echoarb_sink_lag_records)", "echoarb_sink_lag_record)"))
    lag = tuple(case for case in CASES if case.alert in ("SinkLag", "AnalyticsLag"))
    code, said = run_unit_test(tmp_path, rules, lag)
    assert code != 0
    assert "EchoArbSinkLag" in said
    assert "EchoArbAnalyticsLag" not in said


@pytest.mark.parametrize("place", list(promql.asked()))
def test_metrics_and_labels_asked_for_are_those_of_our_code(place: str) -> None:
    assert list(promql.mistakes(promql.asked()[place])) == []


def test_a_misspelt_metric_or_label_is_told() -> None:
    assert list(promql.mistakes("sum(echoarb_frame_total) > 1")) == [
        "no metric echoarb_frame_total"
    ]
    assert list(promql.mistakes('rate(echoarb_frames_total{venue="x"}[1m])')) == [
        "echoarb_frames_total has no label venue"
    ]
    (told,) = promql.mistakes("sum by (platforms) (echoarb_queued_records)")
    assert told.startswith("no label platforms in")


def test_a_board_or_a_rule_asks_for_every_metric_of_ours() -> None:
    used = {
        selector.name or ""
        for expr in promql.asked().values()
        for selector in promql.selectors(promql_parser.parse(expr))
    }

    def family(name: str) -> str:
        return re.sub("_(bucket|sum|count)$", "", name)

    assert set(map(family, promql.known())) - set(map(family, used)) == set()


@pytest.mark.parametrize("name", list(promql.alerts()))
def test_an_alert_says_what_is_wrong_and_where_to_read_on(name: str) -> None:
    rule = promql.alerts()[name]
    notes = rule["annotations"]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert notes["runbook_url"].partition("#")[2] == name.lower()
    assert len(notes["summary"]) < 100


def test_one_replacement_moves_all_runbook_links() -> None:
    links = [rule["annotations"]["runbook_url"] for rule in promql.alerts().values()]
    assert {link.partition("#")[0] for link in links} == {"https://echoarb.example/docs/runbook.md"}


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^### (EchoArb\w+)\n(.*?)(?=^#|\Z)", text))
    assert list(sections) == list(promql.alerts())
    for name, section in sections.items():
        for part in ("**Means**", "**Look**", "**Do**"):
            assert part in section, f"{name} lacks {part}"


def test_the_runbook_names_panels_settings_and_sections_that_exist() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    named = {
        title.removeprefix("EchoArb / ")
        for board in boards().values()
        for title in (board["title"], *(panel["title"] for panel in panels(board)))
    }
    spoken_of = set(re.findall(r"(?<![*\w])\*([^*\n]+)\*(?![*\w])", text))
    assert {each.removeprefix("EchoArb / ") for each in spoken_of} - named == set()
    settings = set(re.findall(r"\bECHOARB_\w+", text))
    known = (promql.ROOT / ".env.example").read_text(encoding="utf-8")
    assert {name for name in settings if f"#{name}=" not in known} == set()
    anchors = {title.lower() for title in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) - anchors == set()
