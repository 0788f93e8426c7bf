"""A parser in the middle of its work, and the wire that feeds it."""

from __future__ import annotations

import pytest

from connectors.manifold.parse import Parser
from tests.venues.manifold.recorded import Wire, market, play, prices, several


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def parser(wire: Wire) -> Parser:
    """A parser that follows market m, at 0.5, and market s of three answers."""
    parser = Parser()
    play(parser, [wire.ack(), wire.rest("search-markets", [market(), several("s")])])
    probs = {"m": {"prob": 0.5}, "s": {"answerProbs": {f"a{index}": 1 / 3 for index in range(3)}}}
    play(parser, [wire.rest("market-probs.complete", probs)])
    assert all(trusted for *_, trusted in prices(parser))
    return parser
