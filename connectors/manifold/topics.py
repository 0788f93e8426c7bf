"""Topic names: which market they concern and what their payload is (PROTOCOL 6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from connectors.json import Row
from connectors.manifold.wire import LONGEST_ID
from schemas.errors import Poison

GLOBAL = ("global/new-bet", "global/updated-contract", "global/new-contract")
"""What is followed when all public markets are."""

_BY_KEY = (
    ("bets", "new-bet"),
    ("creator", "new-contract"),
    ("contract", "updated-contract"),
    ("answers", "updated-answers"),
    ("answer", "new-answer"),
)
_LONGEST_SHAPE = 40


def topics_of(market_ids: Iterable[str]) -> list[str]:
    """Return the topics by which single markets are followed, unlisted ones too."""
    return [
        f"contract/{market_id}{part}"
        for market_id in market_ids
        for part in ("", "/new-bet", "/updated-answers", "/new-answer", "/orders")
    ]


def bets_told_by(topics: Iterable[str]) -> list[str]:
    """Return the ids of the single markets whose bets these topics tell."""
    return sorted(
        topic.split("/")[1]
        for topic in topics
        if topic.startswith("contract/") and topic.endswith("/new-bet")
    )


@dataclass(frozen=True, slots=True)
class Topic:
    """A broadcast's topic. ``kind`` is its last word, "" for the undocumented unions."""

    kind: str
    market_id: str | None
    shape: str
    """The name without ids, for counting."""

    SILENT: ClassVar[frozenset[str]] = frozenset(
        {
            "new-comment",
            "new-post-comment",
            "new-subsidy",
            "perp-quote",
            "sports-live",
            "chart-annotation",
            "pending-clarification",
            "user-metrics",
            "user",
            "tv_schedule",
        }
    )
    """Known kinds without prices. A subsidy deepens a pool and leaves its price."""

    def kind_of(self, data: Row) -> str:
        """Return what ``data`` is, by its keys where the topic is a union of all."""
        if self.kind:
            return self.kind
        if "comment" in data:
            return "new-comment"
        if "amount" in data:
            return "new-subsidy"
        return next((kind for key, kind in _BY_KEY if key in data), "")


def read_topic(value: Any) -> Topic:
    """Return the topic of a broadcast, of whatever form. Raises Poison("topic") if it is no
    text."""
    if not isinstance(value, str) or len(value) > 4 * LONGEST_ID:
        raise Poison("topic", "a broadcast without a topic")
    match value.split("/"):
        case ["global"] | ["*"]:
            return Topic("", None, "global")
        case ["global", kind]:
            return Topic(kind, None, f"global/{shape_of(kind)}")
        case ["contract", market_id]:
            return Topic("updated-contract", _checked(market_id), "contract/*")
        case ["contract", market_id, kind, *_]:
            return Topic(kind, _checked(market_id), f"contract/*/{shape_of(kind)}")
        case ["answer", _, "update"]:
            return Topic("answer", None, "answer/*/update")
        case ["user", _, *_]:
            return Topic("user", None, "user/*")
        case ["post", _, kind]:
            return Topic(f"new-post-{kind[4:]}", None, f"post/*/{shape_of(kind)}")
        case [kind]:
            return Topic(kind, None, shape_of(kind))
    return Topic("?", None, shape_of(value))


def shape_of(name: str) -> str:
    """Return a name fit to be a metric label: short and printable."""
    short = "".join(
        character if character.isascii() and (character.isalnum() or character in "-_/:*.") else "?"
        for character in name[:_LONGEST_SHAPE]
    )
    return short or "?"


def _checked(market_id: str) -> str:
    if not 0 < len(market_id) <= LONGEST_ID or not market_id.isprintable():
        raise Poison("topic", "a topic without a market")
    return market_id
