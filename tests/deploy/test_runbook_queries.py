"""The runbook's queries run on the engine: nobody should mend SQL while something is down."""

from __future__ import annotations

import re

import pytest

from tests.deploy.board_data import Filled
from tests.deploy.boards import ClickHouse, Refused
from tests.deploy.test_rules import RUNBOOK

pytestmark = pytest.mark.xdist_group("boards")
QUERIES = re.findall(r"`(SELECT [^`]+)`", RUNBOOK.read_text(encoding="utf-8"))


@pytest.mark.parametrize("sql", QUERIES)
def test_a_query_of_the_runbook_runs(sql: str, filled: tuple[ClickHouse, Filled]) -> None:
    server, _ = filled
    assert server.ask(sql).columns


def test_a_misspelt_one_does_not(filled: tuple[ClickHouse, Filled]) -> None:
    server, _ = filled
    with pytest.raises(Refused, match="UNKNOWN_IDENTIFIER"):
        server.ask(QUERIES[0].replace("platform", "platfrom"))
