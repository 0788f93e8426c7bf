"""Every PromQL expression of rules and boards on a real Prometheus over the running stack."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator

import promql_parser
import pytest
import pytest_asyncio

from echoarb.stack.ports import LOOPBACK
from tests.deploy import promql
from tests.deploy.tools import require
from tests.deploy.watched import SECONDS, Watched, watching

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("promql"),
]
ONLY_IN_TROUBLE = {"pipeline: Alerts firing A": "ALERTS has series of what fires, and no other"}
"""Expressions without a series while all is well, and why."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    async with watching(tmp_path_factory.mktemp("promql")) as watched:
        yield watched


def measurable() -> set[str]:
    """Return what has a value whether or not there is trouble, of all that is asked."""
    asked = {place: expr for place, expr in promql.asked().items() if place not in ONLY_IN_TROUBLE}
    assert len(promql.asked()) - len(asked) == len(ONLY_IN_TROUBLE)
    parsed = map(promql_parser.parse, asked.values())
    return {part for expr in parsed for part in promql.measured(expr)}


async def test_every_expression_has_a_series(watched: Watched) -> None:
    left = sorted(measurable())
    assert len(left) > 100
    async with asyncio.timeout(SECONDS + 10):
        for _ in range(SECONDS):
            left = await watched.prometheus.without_answer(left)
            if not left:
                break
            await asyncio.sleep(1)
    assert left == []


async def test_every_selection_by_itself_has_a_series(watched: Watched) -> None:
    """What stands behind `or` has to exist too, but for labels that only trouble brings."""
    parsed = [promql_parser.parse(expr) for expr in promql.asked().values()]
    names = {each.name or "" for expr in parsed for each in promql.selectors(expr)} - {"ALERTS"}
    assert await watched.prometheus.without_answer(sorted(names)) == []


async def test_a_misspelt_metric_has_none(watched: Watched) -> None:
    misspelt = ["sum(rate(echoarb_frame_total[1m]))", "sum(rate(echoarb_frames_total[1m]))"]
    assert await watched.prometheus.without_answer(misspelt) == misspelt[:1]


async def test_no_rule_finds_trouble_where_there_is_none(watched: Watched) -> None:
    async with asyncio.timeout(SECONDS):  # until a rule has seen every service
        while found := await watched.prometheus.alerts():
            assert "firing" not in found.values()
            await asyncio.sleep(0.5)


async def test_promtool_accepts_what_each_service_says(watched: Watched) -> None:
    assert set(watched.ports) == {
        *(f"connector-{platform}" for platform in watched.stack.options.venues),
        *("sink", "analytics", "api"),
    }
    for name, port in watched.ports.items():
        text = (await watched.stack.http.get(f"http://{LOOPBACK}:{port}/metrics")).content
        done = await asyncio.to_thread(
            subprocess.run,
            [require("promtool"), "check", "metrics"],
            input=text,
            capture_output=True,
        )
        assert done.returncode == 0, f"{name}: {done.stderr.decode()}"
