"""The boards' JSON: what the code makes, what Grafana's model knows, and what users may expect."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.build import BOARDS, FOLDER, PAGE, files, text
from tests.deploy.boards import Json, boards, panels

KINDS = {"timeseries", "stat", "table", "heatmap", "state-timeline", "candlestick"}
"""Panel types of the Grafana of today; graph and singlestat are gone."""
SOURCES = {"${clickhouse}", "${prometheus}"}

each_board = pytest.mark.parametrize("name", list(BOARDS))


def test_the_files_are_what_the_code_makes() -> None:
    made = files()
    assert {path for path in made if path.parent == FOLDER} == set(FOLDER.glob("*.json"))
    for path, held in made.items():
        assert path.read_text(encoding="utf-8") == held, f"{path.name}: run make boards"


def test_every_picture_of_the_page_is_there_and_small() -> None:
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(pictures) >= 4
    for picture in pictures:
        assert 10_000 < (PAGE.parent / picture).stat().st_size < 250_000, picture


@each_board
def test_grafanas_own_model_knows_every_field(name: str) -> None:
    board = json.loads(text(BOARDS[name]()))
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    # The SDK knows annotations by tags only; the query in them is the plugin's.
    for one in (*board["annotations"]["list"], *again["annotations"]["list"]):
        one.pop("target", None)
    assert again == board


def test_a_misspelt_field_does_not_survive_the_model() -> None:
    board = json.loads(text(next(iter(BOARDS.values()))()))
    board["panels"][1]["titel"] = "misspelt"
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert "titel" not in again["panels"][1]


@each_board
def test_a_board_has_the_house_manners(name: str) -> None:
    board = boards()[name]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board["uid"])
    assert board["title"].startswith("EchoArb / ")
    assert (board["timezone"], board["editable"], board["tags"]) == ("utc", False, ["echoarb"])
    assert board["graphTooltip"] == 1
    assert board["refresh"] in ("10s", "30s")
    assert board["description"]
    (link,) = board["links"]
    assert link["keepTime"]
    assert link["includeVars"]
    assert len(text(BOARDS[name]()).encode()) < 250_000  # a ConfigMap's annotation ends at 256 KiB


def test_uids_are_unique() -> None:
    uids = [board["uid"] for board in boards().values()]
    assert len(set(uids)) == len(uids)


@each_board
def test_panels_are_numbered_placed_and_explained(name: str) -> None:
    board = boards()[name]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: Counter[tuple[int, int]] = Counter()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            taken.update((x, y) for y in range(place["y"], place["y"] + place["h"]))
    assert max(taken.values()) == 1, "panels overlap"
    titles = Counter((panel["title"], panel["type"]) for panel in panels(board))
    assert max(titles.values()) == 1
    for panel in panels(board):
        assert panel["type"] in KINDS, panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        for field in ("title", "description"):
            assert panel[field], panel
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], panel["title"]
        assert panel["datasource"]["uid"] in SOURCES
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs)
        for target in panel["targets"]:
            assert target["datasource"]["uid"] in SOURCES, panel["title"]


@each_board
def test_variables_offer_several_and_all_and_follow_the_time(name: str) -> None:
    board = boards()[name]
    listed = {variable["name"]: variable for variable in board["templating"]["list"]}
    used = {source.strip("${}") for source in _sources(board)}
    assert used <= set(listed), "a datasource is used that no variable offers"
    for variable in listed.values():
        assert variable["label"], variable["name"]
        if variable["type"] == "query":
            assert variable["refresh"] == 2
            assert variable["multi"]
            assert variable["includeAll"]
            assert variable["datasource"]["uid"] == "${clickhouse}"
    named = set(re.findall(r"\$\{?(?!__)([a-z_]+)", json.dumps(board)))
    assert named <= set(listed) | {"field"}, "a variable is used that the board has not"


@each_board
def test_links_lead_to_boards_and_variables_that_exist(name: str) -> None:
    by_uid = {board["uid"]: board for board in boards().values()}
    for url in re.findall(r'"url": "([^"]+)"', json.dumps(boards()[name])):
        if not url.startswith("/d/"):
            continue
        uid, _, query = url.removeprefix("/d/").partition("?")
        assert uid in by_uid, url
        assert query.startswith("${__url_time_range}"), "the time is not kept"
        known = {variable["name"] for variable in by_uid[uid]["templating"]["list"]}
        assert set(re.findall(r"&var-(\w+)=", query)) <= known, url


def test_rates_of_counters_take_the_interval_that_grafana_computes() -> None:
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                for function in re.findall(
                    r"\b(?:rate|increase)\([^)]*?\[([^]]+)\]", _expr(target)
                ):
                    assert function == "$__rate_interval", (name, panel["title"])


def test_provisioning_names_the_uids_and_holds_no_secret() -> None:
    folder = FOLDER.parent / "provisioning"
    (sources,) = folder.glob("datasources/*.yaml")
    found = yaml.safe_load(sources.read_text(encoding="utf-8"))["datasources"]
    assert {source["uid"]: source["type"] for source in found} == {
        "clickhouse": "grafana-clickhouse-datasource",
        "prometheus": "prometheus",
    }
    for source in found:
        for secret in source.get("secureJsonData", {}).values():
            assert re.fullmatch(r"\$__file\{[^}]+\}", secret)
    (provider,) = folder.glob("dashboards/*.yaml")
    (boards_of,) = yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"]
    assert boards_of["type"] == "file"
    assert not boards_of["allowUiUpdates"]


def _expr(target: Json) -> str:
    return str(target.get("expr", ""))


def _sources(value: Any) -> set[str]:
    """Return the uids of every datasource that is named anywhere in the board."""
    if isinstance(value, dict):
        uid = value.get("uid")
        own = {uid} if isinstance(uid, str) and "type" in value and uid.startswith("$") else set()
        return own.union(*(_sources(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(_sources(each) for each in value))
    return set()
