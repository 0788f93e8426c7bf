"""The end of the topics in memory, held against a list that forgets nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from api.tail import OVERHEAD_BYTES, Kept, Place, Tail


@dataclass
class Record:
    """What a tail looks at."""

    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = b"k"


APPENDS = st.tuples(
    st.sampled_from(["ticks.kalshi", "gaps"]),
    st.integers(0, 2),
    st.integers(0, 3),  # offsets that are left out, as transactions do
    st.integers(0, 900),
)
CLEARS = st.tuples(st.sampled_from(["ticks.kalshi", "gaps"]), st.integers(0, 2), st.booleans())


@given(
    st.integers(OVERHEAD_BYTES, 12 * OVERHEAD_BYTES),
    st.lists(APPENDS | CLEARS, max_size=80),
    st.integers(1, 7),
)
def test_all_from_the_floor_on_is_there_and_no_more_than_fits(
    limit: int,
    steps: list[tuple[str, int, int, int] | tuple[str, int, bool]],
    most: int,
) -> None:
    tail = Tail(limit)
    ever: dict[Place, list[Kept]] = defaultdict(list)
    ends: dict[Place, int] = defaultdict(int)
    for step in steps:
        place = (step[0], step[1])
        if len(step) == 3:  # made anew, or jumped ahead
            ever[place].clear()
            ends[place] = 0 if step[2] else ends[place] + 10
            tail.clear(place, ends[place])
        else:
            offset = ends[place] + step[2]
            kept = Kept(place[0], Record(place[1], offset, b"v" * step[3]))
            ever[place].append(kept)
            ends[place] = offset + 1
            tail.append(kept)
        held = 0
        for place, all_of_it in ever.items():
            floor = tail.floor(place)
            assert floor is not None
            assert floor <= ends[place]
            expected = [kept for kept in all_of_it if kept.record.offset >= floor]
            for offset in range(floor, ends[place] + 2):
                wanted = [kept for kept in expected if kept.record.offset >= offset]
                assert tail.since(place, offset, most) == wanted[:most]
            held += sum(len(kept.record.value) + 1 + OVERHEAD_BYTES for kept in expected)
        assert held <= limit


def test_of_an_unread_partition_nothing_is_known() -> None:
    tail = Tail(1000)
    assert tail.floor(("gaps", 0)) is None
    assert tail.since(("gaps", 0), 0, 10) == []
