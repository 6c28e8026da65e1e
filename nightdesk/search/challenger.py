"""The winner of a search as a strategy file of its own."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nightdesk.errors import Misconfigured
from schemas.strategy import Strategy

LONGEST_NAME = 40


def save_challenger(winner: Strategy, header: Sequence[str], folder: Path) -> Path:
    """Write the winner to the first free NAME_c1.toml, NAME_c2.toml ... of the folder, whole or not at all.

    A file that says the same already keeps its name, and gets the new header. No other file is touched.
    """
    number = 1
    while True:
        named = _named(winner, number)
        path = folder / f"{named.name}.toml"
        if _is_ours(path, named):
            if named.own_code is not None:
                _write(path.with_name(named.own_file), named.own_code)
            _write(path, toml_text(named, header))
            return path
        number += 1


def toml_text(strategy: Strategy, header: Sequence[str]) -> str:
    """A strategy as the text of its file, every key of it, under a header of comments."""
    document = strategy.model_dump(mode="json", exclude={"search", "own_code"}, exclude_none=True)
    capital = strategy.capital
    document["capital"] = int(capital) if capital == int(capital) else float(capital)
    comments = [f"# {line}".rstrip() for sentence in header for line in sentence.splitlines()]
    return "\n".join([*comments, "", *_lines(document, ""), ""])


def _named(winner: Strategy, number: int) -> Strategy:
    """The winner under its challenger's name, on an account of its own."""
    name = f"{winner.name}_c{number}"
    if len(name) > LONGEST_NAME:
        raise Misconfigured.value("name", winner.name, f"a name that {name} leaves within {LONGEST_NAME} letters")
    broker = winner.broker.model_copy(update={"account": None, "account_number": None})
    return winner.model_copy(update={"name": name, "broker": broker, "search": None})


def _is_ours(path: Path, named: Strategy) -> bool:
    """Whether the name is free, its code too, or what bears it says the same already."""
    code = path.with_name(named.own_file)
    try:
        text = code.read_text(encoding="utf-8") if code.is_file() else None
        if not path.exists():
            return text in (None, named.own_code)
        found = Strategy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        return found.model_copy(update={"own_code": text}).sha256 == named.sha256
    except ValueError:  # pydantic's and tomllib's own errors are such
        return False


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}.", path=str(path)) from None


def _lines(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    nested = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    for key, value in table.items():
        if key not in nested:
            yield f"{key} = {_value(value)}"
    for key, value in nested.items():
        for one in value if isinstance(value, list) else [value]:
            yield ""
            yield f"[[{prefix}{key}]]" if isinstance(value, list) else f"[{prefix}{key}]"
            yield from _lines(one, f"{prefix}{key}.")


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
