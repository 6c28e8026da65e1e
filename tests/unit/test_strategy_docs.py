"""docs/strategy-file.md says of every key what schemas/strategy.py says."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.strategy import Strategy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "strategy-file.md"
CELL = re.compile(r"(?<!\\)\|")


def documented(text: str) -> dict[str, tuple[str, str]]:
    """Default and allowed range by dotted key, from the page's headings and tables."""
    rows, table = {}, ""
    for line in text.splitlines():
        if heading := re.match(r"## (?:`\[+([a-z.]+)\]+`)?", line):
            table = f"{heading[1]}." if heading[1] else ""
        elif row := re.match(r"\| `([a-z_]+)` ", line):
            cells = [cell.strip() for cell in CELL.split(line)]
            rows[f"{table}{row[1]}"] = (cells[3].strip("`"), cells[4])
    return rows


def section_of(annotation: object) -> type[BaseModel] | None:
    """The model within a field's type: itself, or what a tuple holds."""
    for part in (annotation, *typing.get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        if section := section_of(info.annotation):
            yield from keys(section, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return str(default).lower()
    return "none" if default in (None, {}, ()) else str(default)


def allowed_words(info: FieldInfo) -> list[str]:
    """Bounds and choices that the range must name."""
    bounds = [
        f"{value:.0f}" if value == int(value) else str(value)
        for rule in info.metadata
        for name in ("gt", "ge", "lt", "le")
        if (value := getattr(rule, name, None)) is not None
    ]
    choices = typing.get_args(info.annotation) if typing.get_origin(info.annotation) is typing.Literal else ()
    return [*bounds, *(f"`{choice}`" for choice in choices)]


def names(allowed: str, word: str) -> bool:
    """Whether the range names a bound or a choice as a word of its own: 1000 does not name 100."""
    return re.search(rf"(?<![\w.]){re.escape(word)}(?!\.?\w)", allowed) is not None


FIELDS = dict(keys(Strategy))
ROWS = documented(PAGE.read_text(encoding="utf-8"))


def test_page_lists_the_keys_of_the_model_and_no_others() -> None:
    assert sorted(ROWS) == sorted(FIELDS)
    assert len(ROWS) > 30


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_page_gives_the_default_and_range_of_each_key(key: str) -> None:
    default, allowed = ROWS[key]
    assert default == default_of(FIELDS[key])
    assert [word for word in allowed_words(FIELDS[key]) if not names(allowed, word)] == []


def test_reader_of_the_page_sees_tables_keys_and_ranges() -> None:
    page = "## Top\n| `name` | What. | required | a |\n## `[[a.b]]`\n| `key` | Which. | `x` | 1 to 2 |\n"
    assert documented(page) == {"name": ("required", "a"), "a.b.key": ("x", "1 to 2")}


def test_bounds_and_choices_are_read_from_the_model() -> None:
    assert allowed_words(FIELDS["target.horizon_sessions"]) == ["1", "252"]
    assert allowed_words(FIELDS["gate.on_fail"]) == ["`no_trade`", "`keep_champion`"]
    assert names("0 to 100", "100")
    assert not names("0 to 1000", "100")
