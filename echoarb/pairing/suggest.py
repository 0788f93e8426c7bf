"""Pairs by the likeness of titles, for a person to review. Pure.

Candidates share rare words; of those, likeness is half the weight of the words they share (by
inverse document frequency) and half difflib's ratio of the texts. Titles whose numbers differ
(years, strikes) are rarely one question and count for less. Markets are matched if each is the
other's best, and matches are joined over venues.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from heapq import nlargest
from itertools import combinations
from typing import Any

from echoarb.pairing.markets import Seen
from schemas.topics import PLATFORMS

_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")
_SMALL = frozenset(
    "a an and any are as at be before by do does for from has have in is it of on or than that the "
    "there this to what when which who will with".split()
)
COMMON = 300
"""A word in more titles of a venue than this finds no candidates."""
CANDIDATES = 6
OTHER_NUMBERS = 0.6
"""What the likeness of titles with other numbers is multiplied by."""
LONGEST = 300


@dataclass(frozen=True, slots=True)
class Question:
    """A market with one outcome that stands for yes."""

    market: Seen
    outcome_id: str
    words: frozenset[str]
    numbers: frozenset[str]
    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """Two questions of different venues, and their likeness, 0..1."""

    one: Question
    other: Question
    likeness: float


def questions(markets: Iterable[Seen]) -> list[Question]:
    """Return the markets that ask one yes-or-no question."""
    found = []
    for market in markets:
        yes = [key for key, label in market.outcomes if label.strip().casefold() == "yes"]
        only = [key for key, _ in market.outcomes] if len(market.outcomes) == 1 else []
        words = [word.casefold() for word in _WORD.findall(market.title[:LONGEST])]
        kept = [word for word in words if word not in _SMALL]
        if (chosen := yes or only) and kept:
            numbers = frozenset(word for word in kept if word[0].isdigit())
            found.append(Question(market, chosen[0], frozenset(kept), numbers, " ".join(kept)))
    return found


def suggest(markets: Iterable[Seen], least: float, most: int) -> list[dict[str, Any]]:
    """Return at most ``most`` pairs of a likeness of ``least`` or more, the likest first."""
    by_venue: dict[str, list[Question]] = defaultdict(list)
    for question in questions(markets):
        by_venue[question.market.platform].append(question)
    weights = _weights([each for venue in by_venue.values() for each in venue])
    matches: list[Match] = []
    for one, other in combinations([name for name in PLATFORMS if name in by_venue], 2):
        matches += _mutual(by_venue[one], by_venue[other], weights, least)
    matches.sort(key=lambda each: (-each.likeness, each.one.text, each.other.text))
    taken: set[str] = set()
    return [_pair(group, taken) for group in _joined(matches)[:most]]


def likeness(one: Question, other: Question, weights: dict[str, float]) -> float:
    """Return how alike two questions are, 0..1."""
    # fsum: whatever order a set has today, the same titles are alike to the last bit.
    shared = math.fsum(weights[word] for word in one.words & other.words)
    either = math.fsum(weights[word] for word in one.words | other.words)
    found = (shared / either + SequenceMatcher(None, one.text, other.text).ratio()) / 2
    return found if one.numbers == other.numbers else found * OTHER_NUMBERS


def _weights(every: Sequence[Question]) -> dict[str, float]:
    counts = Counter(word for each in every for word in each.words)
    return {word: math.log(1 + len(every) / count) for word, count in counts.items()}


def _mutual(
    ones: list[Question], others: list[Question], weights: dict[str, float], least: float
) -> list[Match]:
    """Return the matches in which each question is the other's best."""
    holders: dict[str, list[int]] = defaultdict(list)
    for at, other in enumerate(others):
        for word in other.words:
            holders[word].append(at)
    best_of_one: dict[int, tuple[float, int]] = {}
    best_of_other: dict[int, tuple[float, int]] = {}
    for place, one in enumerate(ones):
        shared: defaultdict[int, float] = defaultdict(float)
        for word in sorted(one.words):
            if len(holders[word]) <= COMMON:
                for at in holders[word]:
                    shared[at] += weights[word]
        for at in nlargest(CANDIDATES, shared, key=lambda at: (shared[at], -at)):
            found = likeness(one, others[at], weights)
            if found < least:
                continue
            best_of_one[place] = max(best_of_one.get(place, (0.0, 0)), (found, at))
            best_of_other[at] = max(best_of_other.get(at, (0.0, 0)), (found, place))
    return [
        Match(ones[place], others[at], found)
        for place, (found, at) in best_of_one.items()
        if best_of_other[at][1] == place
    ]


def _joined(matches: list[Match]) -> list[tuple[float, list[Question]]]:
    """Return groups of questions, one a venue at most, from the likest match on."""
    groups: list[tuple[float, list[Question]]] = []
    group_of: dict[tuple[str, str], int] = {}
    for match in matches:
        places = [
            (each.market.platform, each.market.market_id) for each in (match.one, match.other)
        ]
        known = [group_of.get(place) for place in places]
        if known == [None, None]:
            group_of.update(dict.fromkeys(places, len(groups)))
            groups.append((match.likeness, [match.one, match.other]))
        elif None in known:
            number = known[0] if known[0] is not None else known[1]
            assert number is not None
            new = match.one if known[0] is None else match.other
            score, members = groups[number]
            if new.market.platform not in {each.market.platform for each in members}:
                group_of[new.market.platform, new.market.market_id] = number
                groups[number] = (min(score, match.likeness), [*members, new])
    return groups


def _pair(group: tuple[float, list[Question]], taken: set[str]) -> dict[str, Any]:
    score, members = group
    members = sorted(members, key=lambda each: PLATFORMS.index(each.market.platform))
    words = re.sub(r"[^a-z0-9]+", "-", members[0].text.encode("ascii", "ignore").decode())
    stem = words.strip("-")[:48].strip("-") or "pair"
    pair_id = next(
        name for name in (stem, *(f"{stem}-{at}" for at in range(2, 10**6))) if name not in taken
    )
    taken.add(pair_id)
    titles = "; ".join(f"{each.market.platform}: {each.market.title}" for each in members)
    return {
        "id": pair_id,
        "description": members[0].market.title[:LONGEST],
        "legs": [
            {
                "platform": each.market.platform,
                "outcomes": [{"market_id": each.market.market_id, "outcome_id": each.outcome_id}],
            }
            for each in members
        ],
        "resolution": f"Suggested: titles {score:.2f} alike; compare the venues' rules. {titles}"[
            :2000
        ],
        "verified": None,
    }
