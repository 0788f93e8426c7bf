"""The page at /docs: the OpenAPI document as plain HTML, no script, nothing from outside."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { overflow-x: auto; padding: .6rem .8rem; border: 1px solid #8886; border-radius: 6px }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
         border-top: 1px solid #8884 }
h2 { margin-top: 2.5rem } h2 small { font-weight: normal; opacity: .7 }
summary { cursor: pointer }
"""


def page(document: dict[str, Any], websocket: str) -> str:
    """Return the HTML for an OpenAPI document and a text on the WebSocket protocol."""
    info = document["info"]
    schemas = document.get("components", {}).get("schemas", {})
    operations = [
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
    ]
    shapes = [_shape(name, schema) for name, schema in sorted(schemas.items())]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
        f"<p>{escape(info.get('description') or '')}</p>"
        "<p>As a document for tools: <a href=/schema/openapi.json>/schema/openapi.json</a></p>"
        f"{''.join(operations)}"
        "<h2><code>WebSocket /ws/ticks</code> <small>Live ticks</small></h2>"
        f"<pre>{escape(websocket)}</pre>"
        f"<h2>Shapes</h2>{''.join(shapes)}</html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    rows = "".join(
        f"<tr><td><code>{escape(item['name'])}</code><td>{escape(_kind(item.get('schema', {})))}"
        f"<td>{escape(item.get('description') or '')}"
        for item in parameters
    )
    table = f"<table><tr><th>Parameter<th>Type<th>Meaning{rows}</table>" if rows else ""
    responses = "".join(
        f"<tr><td>{escape(str(status))}<td>{escape(_answer(response))}"
        for status, response in operation.get("responses", {}).items()
    )
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code> "
        f"<small>{escape(operation.get('summary') or '')}</small></h2>"
        f"<p>{escape(operation.get('description') or '')}</p>{table}"
        f"<table><tr><th>Status<th>Answer{responses}</table>"
    )


def _answer(response: dict[str, Any]) -> str:
    kinds = [
        f"{media}: {_kind(content.get('schema', {}))}"
        for media, content in response.get("content", {}).items()
    ]
    return ". ".join([response.get("description") or "", *kinds])


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code><td>{escape(_kind(kind))}"
        f"<td>{escape(kind.get('description') or '')}"
        for field, kind in schema.get("properties", {}).items()
    )
    return (
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code> "
        f"{escape(schema.get('description') or '')}</summary><table>{rows}</table></details>"
    )


def _kind(schema: dict[str, Any]) -> str:
    """Return a schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(_kind(choice) for choice in choices)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    words = [str(schema.get("type", "any"))]
    for key, word in (("minimum", "from"), ("maximum", "to"), ("default", "default")):
        if schema.get(key) is not None:
            words.append(f"{word} {schema[key]}")
    return " ".join(words)
