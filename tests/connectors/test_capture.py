"""Captures: what is written is read back, also after a kill, in all three forms."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from connectors.capture import Capture, read_frames
from connectors.events import Frame
from schemas.errors import ConfigurationError, Poison

frames = st.lists(
    st.builds(
        Frame,
        st.integers(0, 2**53),
        st.sampled_from(["ws-0/1", "rest:markets", ""]),
        st.text(alphabet=st.characters(codec="utf-8"), max_size=200),
    ),
    min_size=1,
    max_size=30,
)


@given(frames, st.integers(100, 5000))
def test_frames_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, written: list[Frame], rotate_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("capture")
    capture = Capture(folder, "kalshi", rotate_bytes)
    seen: set[int] = set()
    kept = []
    for frame in written:
        if frame.received_us in seen:  # files are named by time: one frame a microsecond here
            continue
        seen.add(frame.received_us)
        kept.append(frame)
        capture.write(frame)
    capture.close()
    by_creation = sorted(folder.iterdir(), key=lambda path: path.stat().st_ino)
    read = [frame for path in by_creation for frame in read_frames(path)]
    assert sorted(read, key=repr) == sorted(kept, key=repr)


def test_gzip_and_plain_files_are_read_too(tmp_path: Path) -> None:
    line = json.dumps({"received_us": 5, "connection": "c", "frame": "{}\n"}).encode() + b"\n"
    (tmp_path / "a.jsonl").write_bytes(line)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(line))
    for path in tmp_path.iterdir():
        assert [*read_frames(path)] == [Frame(5, "c", "{}\n")]


def test_an_unreadable_line_is_poison_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = b'{"received_us": 1, "connection": "c", "frame": "x"}\n'
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"garbage\n" + good + b'{"received_us": "1"}\n\n' + good)
    kinds = [type(frame) for frame in read_frames(path)]
    assert kinds == [Poison, Frame, Poison, Frame]


def test_what_is_not_what_its_ending_says_is_a_clear_error(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "a.jsonl.zst", "missing.jsonl"):
        if not name.startswith("missing"):
            (tmp_path / name).write_bytes(b"plain text\n" * 10)
        with pytest.raises(ConfigurationError, match=name):
            [*read_frames(tmp_path / name)]


def test_a_capture_folder_that_cannot_be_made_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="--capture"):
        Capture(tmp_path / "file" / "folder", "kalshi", 1000)


def test_a_kill_loses_at_most_the_last_second(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from pathlib import Path\n"
            "from connectors.capture import Capture\n"
            "from connectors.events import Frame\n"
            "capture = Capture(Path(sys.argv[1]), 'kalshi', 10**9)\n"
            "for number in range(100): capture.write(Frame(number * 100_000, 'c', str(number)))\n"
            "print('written', flush=True)\n"
            "time.sleep(60)\n",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    (path,) = tmp_path.iterdir()
    read = [*read_frames(path)]
    assert len(read) >= 88
    assert read == [Frame(number * 100_000, "c", str(number)) for number in range(len(read))]
