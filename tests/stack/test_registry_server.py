"""The local registry as its clients see it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from schemas.codec import schema_text
from schemas.errors import Fatal
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.topics import TICKS, TOPICS, Topic

OTHER = '{"type":"record","name":"Other","fields":[]}'


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry}) as client:
        yield client


def test_confluent_client(client: SchemaRegistryClient) -> None:
    assert set(client.get_subjects()) == {topic.subject for topic in TOPICS.values()}
    for topic in TOPICS.values():
        schema = Schema(schema_text(topic.schema), "AVRO")
        number = client.register_schema(topic.subject, schema)
        assert client.lookup_schema(topic.subject, schema).schema_id == number
        assert json.loads(str(client.get_schema(number).schema_str)) == json.loads(
            schema_text(topic.schema)
        )
        latest = client.get_latest_version(topic.subject)
        assert (latest.schema_id, latest.version) == (number, 1)
        assert client.get_versions(topic.subject) == [1]
        assert client.test_compatibility(topic.subject, schema)
        assert not client.test_compatibility(topic.subject, Schema(OTHER, "AVRO"))


@pytest.mark.parametrize("register", [True, False])
def test_our_client(registry: str, register: bool) -> None:
    ours = Registry(RegistrySettings.load(registry_url=registry, registry_register=register))
    ids = {topic.name: ours.id_of(topic) for topic in TOPICS.values()}
    assert len({ids[topic.name] for topic in TICKS}) == 1
    assert ours.schema(ids["gaps"])["name"].endswith("Gap")
    stranger = Topic("strange", "tick", "none", 1, 1)
    with pytest.raises(Fatal):
        ours.id_of(stranger)
    ours.close()


def test_ids_do_not_depend_on_the_text_form(registry: str) -> None:
    spaced = json.dumps(json.loads(schema_text("tick")), indent=2)
    answer = httpx.post(f"{registry}/subjects/ticks.kalshi-value/versions", json={"schema": spaced})
    assert answer.json() == {"id": 1}
    assert answer.headers["Content-Type"].startswith("application/vnd.schemaregistry.v1+json")


def test_new_schemas_are_refused(client: SchemaRegistryClient) -> None:
    for subject in ("ticks.kalshi-value", "strange-value"):
        with pytest.raises(SchemaRegistryError, match="read only") as caught:
            client.register_schema(subject, Schema(OTHER, "AVRO"))
        assert caught.value.http_status_code == 409


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"schema": 1}', b'{"schema": "{"}'])
def test_broken_bodies(registry: str, body: bytes) -> None:
    answer = httpx.post(f"{registry}/subjects/gaps-value/versions", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/subjects/none/versions", 40401),
        ("/subjects/none/versions/latest", 40401),
        ("/subjects/gaps-value/versions/2", 40402),
        ("/schemas/ids/99", 40403),
        ("/schemas/ids/-1", 40403),
        ("/schemas/ids/99999999999999999999", 40403),
    ],
)
def test_what_is_not_there(registry: str, path: str, code: int) -> None:
    answer = httpx.get(registry + path)
    assert (answer.status_code, answer.json()["error_code"]) == (404, code)


def test_what_other_clients_ask(registry: str) -> None:
    """kafkajs's registry package and ClickHouse's AvroConfluent ask for ids; tools for the rest."""
    assert "schema" in httpx.get(f"{registry}/schemas/ids/1").json()
    assert httpx.get(f"{registry}/schemas/ids/1/schema").json()["type"] == "record"
    assert len(httpx.get(f"{registry}/schemas/ids/1/versions").json()) == len(TICKS)
    assert httpx.get(f"{registry}/config").json()["compatibilityLevel"] == "BACKWARD_TRANSITIVE"
    assert httpx.get(f"{registry}/mode").json() == {"mode": "READONLY"}
    assert httpx.get(f"{registry}/schemas/types").json() == ["AVRO"]
    assert httpx.get(f"{registry}/subjects/gaps-value/versions/1/schema").json()["name"] == "Gap"
