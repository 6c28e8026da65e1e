"""Alpaca's own description of its API, a file of the package alpaca-mcp-server. Nothing of that package is imported."""

import json
import re
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

PLACES = {
    r"/v2/orders/[^/]+": "/v2/orders/{order_id}",
    r"/v2/assets/[^/]+": "/v2/assets/{symbol_or_asset_id}",
    r"/v2/positions/[^/]+": "/v2/positions/{symbol_or_asset_id}",
    r"/v2/account/activities/[^/]+": "/v2/account/activities/{activity_type}",
}
ERROR = {"type": "object", "properties": {"code": {"type": "number"}, "message": {"type": "string"}}, "required": ["message"]}


@cache
def specification() -> dict[str, Any]:
    file = distribution("alpaca-mcp-server").locate_file("alpaca_mcp_server/specs/trading-api.json")
    document: dict[str, Any] = json.loads(Path(str(file)).read_text(encoding="utf-8"))
    return document


def what_is_wrong(method: str, path: str, status: int, value: object) -> list[str]:
    """A sentence for each way in which an answer differs from the description. A 204 has no body."""
    if status == 204:
        return [] if value is None else ["a 204 with a body"]
    named = next((name for pattern, name in PLACES.items() if re.fullmatch(pattern, path)), path)
    found = _validator(method, named, status).iter_errors(value)
    return [f"{method} {path} {status}: {error.json_path} {error.message}" for error in found]


@cache
def _validator(method: str, path: str, status: int) -> Draft202012Validator:
    """Of errors the description says little: a number and a sentence."""
    found = specification()["paths"][path][method.lower()]["responses"] if status == 200 else {}
    schema = found[str(status)]["content"]["application/json"]["schema"] if found else ERROR
    return Draft202012Validator({**schema, "components": specification()["components"]})
