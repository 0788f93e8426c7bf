"""Raw capture: every frame as it was received, in rotated zstd files; and reading them back.

A line is ``{"received_us", "connection", "frame"}`` in JSON, ``frame`` being the exact text.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from connectors.events import Frame
from schemas.clock import isoformat
from schemas.errors import ConfigurationError, Poison

LONGEST_LINE = 256 * 2**20
"""Characters; a longer line is refused instead of read into memory."""


class _Line(msgspec.Struct):
    received_us: int
    connection: str
    frame: str


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode

SYNC_EVERY_SECONDS = 1


class Capture:
    """Writes frames to ``<folder>/<platform>-<time of first frame>.jsonl.zst``.

    A file is rotated at ``rotate_bytes`` uncompressed. Each second of frames ends in a flushed
    zstd block, so that a kill loses at most the last second.
    """

    def __init__(self, folder: Path, platform: str, rotate_bytes: int) -> None:
        """Raises ConfigurationError if the folder can't be made or written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError("not writable")
        except OSError as error:
            raise ConfigurationError(
                f"--capture (ECHOARB_CAPTURE_DIR): {folder}: {error.strerror or error}"
            ) from error
        self._folder = folder
        self._platform = platform
        self._rotate_bytes = rotate_bytes
        self._file: IO[bytes] | None = None
        self._writer: zstandard.ZstdCompressionWriter | None = None
        self._written = 0
        self._flushed_us = 0

    def write(self, frame: Frame) -> None:
        """Keep one frame."""
        line = _encode(_Line(frame.received_us, frame.connection, frame.text)) + b"\n"
        if self._writer is None or self._written + len(line) > self._rotate_bytes:
            self._rotate(frame.received_us)
        assert self._writer is not None
        self._writer.write(line)
        self._written += len(line)
        if frame.received_us - self._flushed_us > SYNC_EVERY_SECONDS * 1_000_000:
            self._writer.flush(zstandard.FLUSH_BLOCK)
            self._flushed_us = frame.received_us

    def close(self) -> None:
        """End the open file."""
        if self._writer is not None:
            self._writer.close()  # type: ignore[no-untyped-call]
        self._writer = self._file = None

    def _rotate(self, at_us: int) -> None:
        self.close()
        stamp = isoformat(at_us).replace(":", "").replace("-", "").replace(".", "_")
        path = self._folder / f"{self._platform}-{stamp}.jsonl.zst"
        self._file = path.open("xb")
        self._writer = zstandard.ZstdCompressor(level=3).stream_writer(self._file, closefd=True)
        self._written = 0
        self._flushed_us = at_us


def _open(path: Path) -> io.BufferedIOBase | IO[bytes]:
    if path.suffix in (".zst", ".zstd"):
        stream = zstandard.ZstdDecompressor().stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )
        return io.BufferedReader(stream)
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield a recording's lines: zstd, gzip or plain, by ending.

    A file cut off in mid-block (its writer was killed) ends at its last whole line. Raises
    ConfigurationError if the file can't be opened or isn't what its ending says.
    """
    try:
        with _open(path) as stream:
            while True:
                line = stream.readline(LONGEST_LINE)
                if not line.endswith(b"\n"):
                    if line:
                        yield line
                    return
                yield line
    except EOFError:
        return
    except (OSError, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def read_frames(path: Path) -> Iterator[Frame | Poison]:
    """Yield a capture's frames in order; a Poison("capture_line") for each unreadable line."""
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            entry = _decode(line)
        except msgspec.MsgspecError as error:
            yield Poison("capture_line", f"{path.name} line {number}: {error}")
            continue
        yield Frame(entry.received_us, entry.connection, entry.frame)
