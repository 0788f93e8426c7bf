"""Content encodings of HTTP bodies, with a limit on what a body may grow to."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable

import lz4.frame
import zstandard

from schemas.errors import EchoArbError


class TooLarge(EchoArbError):
    """A body is larger than allowed once it is unpacked."""


class BadEncoding(EchoArbError):
    """A body is not what its Content-Encoding says, or the encoding is not known."""


def _zlib(window_bits: int) -> Callable[[bytes, int], bytes]:
    def unpack(body: bytes, limit: int) -> bytes:
        stream = zlib.decompressobj(window_bits)
        data = stream.decompress(body, limit)
        if not stream.eof and not stream.unconsumed_tail:
            raise BadEncoding("the compressed body ends early")
        return data

    return unpack


def _zstd(body: bytes, limit: int) -> bytes:
    reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True)
    return reader.read(limit)


def _lz4(body: bytes, limit: int) -> bytes:
    stream = lz4.frame.LZ4FrameDecompressor()
    data: bytes = stream.decompress(body, limit)
    if not stream.eof and stream.needs_input:
        raise BadEncoding("the compressed body ends early")
    return data


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _zlib(31),
    "deflate": _zlib(15),
    "zstd": _zstd,
    "lz4": _lz4,
}
_PACK: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda body: zstandard.ZstdCompressor(level=1).compress(body),
    "gzip": lambda body: gzip.compress(body, compresslevel=1),
    "deflate": lambda body: zlib.compress(body, 1),
}


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Return the body behind a Content-Encoding, at most ``limit`` bytes.

    Raises TooLarge, or BadEncoding for broken data and unknown encodings.
    """
    if encoding in ("", "identity"):
        data = body
    elif encoding in _UNPACK:
        try:
            data = _UNPACK[encoding](body, limit + 1)
        except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
            raise BadEncoding(f"the body is no {encoding}: {error}") from error
    else:
        raise BadEncoding(f"unknown Content-Encoding {encoding[:32]}; known: {', '.join(_UNPACK)}")
    if len(data) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    return data


def choose(accept: str) -> str:
    """Return the encoding to answer with for an Accept-Encoding header, empty for none."""
    offered = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    return next((name for name in _PACK if name in offered), "")


def pack(body: bytes, encoding: str) -> bytes:
    """Return ``body`` in an encoding that ``choose`` gave."""
    return _PACK[encoding](body) if encoding else body
