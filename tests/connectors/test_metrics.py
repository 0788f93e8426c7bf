"""What a connector's metrics say before anything happened, and when data came."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from connectors import metrics
from connectors.events import Frame
from connectors.pipeline import Pipeline
from tests.connectors.venue_server import NumberParser


def test_trouble_is_counted_from_zero_on_so_that_its_first_case_shows_as_growth() -> None:
    metrics.show("a venue", queue_limit=100_000, now=1_790_000_000)
    for name, labels, value in (
        ("echoarb_dropped_total", {"reason": "overflow"}, 0),
        ("echoarb_gaps_total", {"reason": "sequence"}, 0),
        ("echoarb_rejected_total", {"reason": "not_json"}, 0),
        ("echoarb_connected_sockets", {}, 0),
        ("echoarb_queue_limit_records", {}, 100_000),
        ("echoarb_last_data_timestamp_seconds", {}, 1_790_000_000),
    ):
        found = REGISTRY.get_sample_value(name, {"platform": "a venue", **labels})
        assert found == value, name


def test_only_data_moves_the_time_of_the_last_data() -> None:
    pipeline = Pipeline(NumberParser(), lambda record: None)

    def last(at_us: int, text: str) -> float | None:
        pipeline.receive(Frame(at_us, "ws-0/1", text))
        labels = {"platform": NumberParser.platform}
        return REGISTRY.get_sample_value("echoarb_last_data_timestamp_seconds", labels)

    assert last(1_790_000_000_500_000, "data") == pytest.approx(1_790_000_000.5)
    assert last(1_790_000_009_000_000, "pong") == pytest.approx(1_790_000_000.5)
