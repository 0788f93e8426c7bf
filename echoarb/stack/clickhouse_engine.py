"""The ClickHouse engine in this process (chdb), one isolated session per request."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import chdb

from echoarb.stack.statements import split_insert
from schemas.errors import ConfigurationError, EchoArbError

_CODE = re.compile(r"Code: (\d+)")
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
UNKNOWN_EXCEPTION = 1002
CANNOT_READ_ALL_DATA = 33
UNKNOWN_SETTING = 115

DEFAULTS: dict[str, str] = {
    # A batch is written before it is acknowledged, by the request that brings it.
    "async_insert": "0",
    # One block per request up to a million rows: blocks are cut by one parser, and squashed until
    # they reach the engine's own minimum of a million rows or 256 MB, so a batch that fits is
    # stored whole or not at all.
    "input_format_parallel_parsing": "0",
    "max_insert_threads": "1",
    # A result is held in memory before it is sent.
    "max_result_bytes": str(1 << 30),
    "result_overflow_mode": "throw",
}


class EngineError(EchoArbError):
    """A statement that the engine refused, with ClickHouse's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Statement:
    """One request. ``text`` is the statement and, for INSERT ... FORMAT, the data behind it.

    ``parameters`` are query parameters without their ``param_`` in ClickHouse's escaped form,
    ``settings`` are applied to this statement only.
    """

    text: bytes
    database: str = ""
    output_format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine says: the formatted result and its counts."""

    body: bytes
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0

    def summary(self) -> dict[str, str]:
        """Return the counts as the X-ClickHouse-Summary header has them."""
        names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "elapsed_ns")
        return {name: str(getattr(self, name)) for name in names}


class Engine:
    """The engine over one directory. Calls block and may come from several threads at once."""

    def __init__(self, directory: Path) -> None:
        """Open ``directory``. Raises ConfigurationError if another process has it open."""
        directory.mkdir(parents=True, exist_ok=True)
        self._path = str(directory.resolve())
        self._lock = _claim(directory)
        try:
            self._root: Any = chdb.connect(self._path)
        except RuntimeError as error:
            self._lock.close()
            raise ConfigurationError(
                f"ClickHouse can't open {self._path}: {str(error).strip()}"
            ) from error
        self._root.query("CREATE DATABASE IF NOT EXISTS default ENGINE = Atomic")
        version, timezone = self._root.query("SELECT version(), timezone()", "TSV").bytes().split()
        self.version: str = version.decode()
        self.timezone: str = timezone.decode()

    def run(self, statement: Statement) -> Answer:
        """Execute one statement. Raises EngineError."""
        try:
            with self._session(statement) as session:
                return _execute(session, statement)
        except UnicodeDecodeError as error:  # an error text with bytes of the data in it
            raise _engine_error(error.object.decode(errors="replace")) from error
        except (RuntimeError, chdb.ChdbError) as error:
            raise _engine_error(str(error)) from error

    @contextlib.contextmanager
    def _session(self, statement: Statement) -> Iterator[Any]:
        session = chdb.connect(self._path)  # a handle: 0.6 ms, with settings of its own
        try:
            if statement.database:
                session.query(f"USE {_identifier(statement.database)}")
            changes = {**DEFAULTS, **statement.settings}
            session.query("SET " + ", ".join(_assignment(*pair) for pair in changes.items()))
            yield session
        finally:
            session.close()

    def close(self) -> None:
        """Close the engine; everything acknowledged is on disk already."""
        self._root.close()
        self._lock.close()


def _claim(directory: Path) -> IO[str]:
    lock = (directory / "echoarb.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConfigurationError(
            f"{directory} is in use by another ClickHouse process; "
            "stop it or choose another directory with --data-dir"
        ) from error
    return lock


def _execute(session: Any, statement: Statement) -> Answer:
    insert = split_insert(statement.text)
    if insert is None:
        try:
            text = statement.text.decode()
        except UnicodeDecodeError as error:
            raise EngineError(62, "Code: 62. DB::Exception: the query is not UTF-8") from error
        result = session.query(text, statement.output_format, params=dict(statement.parameters))
        return Answer(
            body=result.bytes(),
            read_rows=result.rows_read(),
            read_bytes=result.bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            elapsed_ns=int(result.elapsed() * 1e9),
        )
    if statement.parameters:
        values = (_assignment(f"param_{key}", value) for key, value in statement.parameters.items())
        session.query("SET " + ", ".join(values))
    # Not send_insert: it reports rows as written that the table has refused (a default expression
    # that raises, too many partitions), which would be silent loss. A file in memory does not.
    with _memory_file(memoryview(statement.text)[insert.data_offset :]) as path:
        written = session.query(
            f"{insert.statement} FROM INFILE '{path}' {insert.settings} FORMAT {insert.format}"
        )
    return Answer(
        body=b"",
        written_rows=written.rows_written(),
        written_bytes=written.bytes_written(),
        elapsed_ns=int(written.elapsed() * 1e9),
    )


@contextlib.contextmanager
def _memory_file(data: memoryview) -> Iterator[str]:
    if not hasattr(os, "memfd_create"):  # not Linux
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield file.name
        return
    with os.fdopen(os.memfd_create("insert"), "wb") as memory:
        memory.write(data)
        memory.flush()
        yield f"/proc/self/fd/{memory.fileno()}"


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _assignment(name: str, value: str) -> str:
    if not _NAME.match(name):
        raise EngineError(
            UNKNOWN_SETTING,
            f"Code: {UNKNOWN_SETTING}. DB::Exception: Unknown setting '{name[:64]}'. "
            "(UNKNOWN_SETTING)",
        )
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name} = '{escaped}'"


def _engine_error(message: str) -> EngineError:
    message = message[max(message.find("Code: "), 0) :].strip()
    found = _CODE.match(message)
    code = int(found.group(1)) if found else UNKNOWN_EXCEPTION
    if "avro::Exception" in message:  # the engine's Avro library has no code of its own
        code = CANNOT_READ_ALL_DATA
        message = f"Code: {code}. DB::Exception: {message} (CANNOT_READ_ALL_DATA)"
    elif not found:
        message = f"Code: {code}. DB::Exception: {message} (UNKNOWN_EXCEPTION)"
    return EngineError(code, message)
