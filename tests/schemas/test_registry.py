"""The registry client, told things by something that isn't quite a registry."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.errors import ConfigurationError, Poison, Transient
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.topics import GAPS


class Answering(ThreadingHTTPServer):
    """Gives the same 200 answer to everything."""

    answer = b""

    @property
    def registry(self) -> Registry:
        """A client of this server, with nothing cached."""
        url = f"http://127.0.0.1:{self.server_port}"
        return Registry(RegistrySettings(_env_file=None, registry_url=url))


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), _Handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "schema",
    [
        {"schemaType": "PROTOBUF", "schema": 'syntax = "proto3"; message A {}'},
        {"schemaType": "JSON", "schema": '{"type": "object"}'},
        {"schema": '{"type": "record", "name": "A", "fields": [{"name": "a", "type": "b.C"}]}'},
    ],
)
def test_a_schema_that_is_no_avro_of_its_own_is_poison(
    server: Answering, schema: dict[str, str]
) -> None:
    server.answer = json.dumps(schema).encode()
    with pytest.raises(Poison, match="unknown_schema"):
        server.registry.schema(7)


@pytest.mark.parametrize("answer", [b"<html>log in</html>", b"", b"{}"])
def test_an_answer_that_is_no_registrys_is_waited_out(server: Answering, answer: bytes) -> None:
    server.answer = answer
    with pytest.raises(Transient):
        server.registry.schema(7)
    if answer != b"{}":
        with pytest.raises(Transient):
            server.registry.id_of(GAPS)


def test_a_wrong_url_names_its_setting() -> None:
    for url in ("127.0.0.1:8081", "", "ftp://registry"):
        with pytest.raises(ConfigurationError, match="ECHOARB_REGISTRY_URL"):
            Registry(RegistrySettings(_env_file=None, registry_url=url))


def test_errors_do_not_show_the_urls_password() -> None:
    settings = RegistrySettings(_env_file=None, registry_url="http://me:hush@127.0.0.1:1/base")
    with pytest.raises(Transient, match=r"registry http://127\.0\.0\.1:1/base") as error:
        Registry(settings).schema(7)
    assert "hush" not in str(error.value)
