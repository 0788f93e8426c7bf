"""What waits for a WebSocket client, against a plain model."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api import outgoing as module
from api.events import Event
from api.outgoing import Outgoing

KINDS = ("quote", "trade", "gap", "platform_gap", "take")
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from("ab"), st.sampled_from("xy")), max_size=60
)


def event(number: int, kind: str, market: str, outcome: str) -> Event:
    data = json.dumps({"number": number})
    if kind.endswith("gap"):
        return Event("gap", "kalshi", None if kind == "platform_gap" else market, "", "", data)
    return Event("tick", "kalshi", market, outcome, kind, data)


def run(mode: Any, steps: list[tuple[str, str, str]]) -> tuple[list[Event], list[dict[str, Any]]]:
    """Put and take as told, then take the rest; return what was put and what was sent."""
    queue = Outgoing("s", 1000, mode)
    put: list[Event] = []
    sent: list[dict[str, Any]] = []
    for kind, market, outcome in [*steps, *[("take", "", "")] * len(steps)]:
        if kind == "take":
            text = queue.take()
            if text is not None:
                sent.append(json.loads(text))
        else:
            one = event(len(put), kind, market, outcome)
            assert queue.put_event(one, f"c{len(put)}")
            put.append(one)
    assert len(queue) == 0
    assert queue.conflated == len(put) - len(sent)
    assert queue._characters == 0
    assert not queue._quotes
    return put, sent


@given(STEPS)
def test_strict_sends_everything_in_order(steps: list[tuple[str, str, str]]) -> None:
    put, sent = run("strict", steps)
    assert [message["data"]["number"] for message in sent] == list(range(len(put)))
    assert [message["seq"] for message in sent] == list(range(1, len(put) + 1))
    assert [message["cursor"] for message in sent] == [f"c{at}" for at in range(len(put))]


@given(STEPS)
def test_conflate_drops_quotes_only_and_lets_nothing_pass(
    steps: list[tuple[str, str, str]],
) -> None:
    put, sent = run("conflate", steps)
    numbers = [message["data"]["number"] for message in sent]
    assert [message["seq"] for message in sent] == list(range(1, len(sent) + 1))
    assert len(set(numbers)) == len(numbers)
    kept = set(numbers)
    for number, one in enumerate(put):
        if one.kind != "quote":
            assert number in kept
    for outcome in {(one.market, one.outcome) for one in put if one.kind == "quote"}:
        mine = [
            number for number in numbers if (put[number].market, put[number].outcome) == outcome
        ]
        assert mine == sorted(mine)
        every = [number for number, one in enumerate(put) if (one.market, one.outcome) == outcome]
        assert mine[-1] == every[-1]
    for market in "ab":  # of one market, nothing passes a trade or gap
        mine = [number for number in numbers if put[number].market in (market, None)]
        walls = [number for number in mine if put[number].kind != "quote"]
        assert walls == sorted(walls)
        for wall in walls:
            at = mine.index(wall)
            assert all(number < wall for number in mine[:at])
            assert all(number > wall for number in mine[at + 1 :])
    for message in sent:  # resuming from any message brings all that was not sent before it
        cursor = int(message["cursor"][1:])
        sent_before = {m["data"]["number"] for m in sent if m["seq"] <= message["seq"]}
        for number in range(cursor + 1):
            superseded = put[number].kind == "quote" and number not in kept
            assert number in sent_before or superseded


def test_a_full_queue_says_so_and_takes_nothing_more(monkeypatch: Any) -> None:
    queue = Outgoing("s", 2)
    assert queue.put("pong", {})
    assert queue.put("pong", {"ts": "x"})
    assert not queue.put("pong", {})
    assert queue.full
    assert not queue.put_event(event(1, "trade", "a", "x"), None)
    assert json.loads(queue.take() or "") == {"type": "pong", "session": "s", "seq": 1}
    assert queue.abandon() == 1
    assert queue.take() is None
    monkeypatch.setattr(module, "MAX_CHARACTERS", 10)
    few = Outgoing("s", 100)
    assert few.put("pong", {"ts": "long enough"})
    assert not few.put("pong", {})


def test_conflation_needs_no_room() -> None:
    queue = Outgoing("s", 1, "conflate")
    assert queue.put_event(event(0, "quote", "a", "x"), "c0")
    assert queue.put_event(event(1, "quote", "a", "x"), "c1")
    assert not queue.put_event(event(2, "quote", "a", "y"), "c2")


def test_longer_quotes_in_the_place_of_shorter_ones_are_bounded_too(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 1000)
    queue = Outgoing("s", 100, "conflate")
    put = 0
    while queue.put_event(Event("tick", "kalshi", "a", "x", "quote", "1" * (put * 100)), None):
        put += 1
    assert 5 < put < 15
    assert queue.full
