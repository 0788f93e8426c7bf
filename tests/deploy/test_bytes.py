"""bench/bytes.py: the batches that it weighs are those that a broker keeps."""

from __future__ import annotations

import pytest
from aiokafka.record.memory_records import MemoryRecords

from bench.bytes import CODECS, Record, batch, batched

RECORDS = [
    Record(1_790_000_000_000 + number, b"KXGOLD15M", b"\0\0\0\0\x01" + number.to_bytes(2) * 40)
    for number in range(100)
]


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_is_read_back_as_it_was(codec: str) -> None:
    read = []
    memory = MemoryRecords(bytes(batch(RECORDS, codec)))
    while memory.has_next():
        read += [Record(each.timestamp, each.key, each.value) for each in memory.next_batch()]
    assert read == RECORDS


def test_every_batch_has_a_head_of_61_bytes() -> None:
    alone, together = batched(RECORDS, "none", 1), batched(RECORDS, "none", len(RECORDS))
    assert 99 * 61 - 100 <= alone - together <= 99 * 61  # less what later offsets and times take


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_company_makes_records_smaller(codec: str) -> None:
    assert batched(RECORDS, codec, 100) < batched(RECORDS, codec, 10) < batched(RECORDS, codec, 1)
