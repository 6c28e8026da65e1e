"""A strategy file with what another one learns with: by whole sections of text, so that comments stay."""

import re
import tomllib
from typing import Any

from nightdesk.errors import Misconfigured

LEARNT: tuple[str, ...] = ("features", "target", "model", "gate", "signal", "rule")
"""The sections that a promotion takes over; all others stay the champion's."""
HEADER = re.compile(r"^\s*\[+\s*([A-Za-z_]+)[^\]]*\]+\s*(#.*)?$")


def promoted_text(champion: str, challenger: str) -> str:
    """The champion's file with the sections `LEARNT` of the challenger's; a section stands where the champion had its first one.

    Raises `Misconfigured` where a file is written so that its sections cannot be told apart by their headers.
    """
    own, other = _parts(champion), _parts(challenger)
    taken = "".join(text for name, text in other if name in LEARNT).rstrip("\n") + "\n\n"
    first = next((place for place, (name, _) in enumerate(own) if name in LEARNT), len(own))
    kept = [text for place, (name, text) in enumerate(own) if name not in LEARNT or place == first]
    at = sum(name not in LEARNT for name, _ in own[:first])
    made = "".join([*kept[:at], taken, *kept[at + (first < len(own)) :]])
    _require(made, champion, challenger)
    return made


def _parts(text: str) -> list[tuple[str, str]]:
    """A file cut at its headers: the name of the section, "" before the first, and its lines."""
    parts: list[tuple[str, str]] = [("", "")]
    for line in text.splitlines(keepends=True):
        header = HEADER.match(line)
        if header:
            parts.append((header[1], ""))
        parts[-1] = (parts[-1][0], parts[-1][1] + line)
    return parts


def _require(made: str, champion: str, challenger: str) -> None:
    own, other = tomllib.loads(champion), tomllib.loads(challenger)
    wanted: dict[str, Any] = {name: value for name, value in own.items() if name not in LEARNT}
    wanted |= {name: value for name, value in other.items() if name in LEARNT}
    try:
        is_as_wanted = tomllib.loads(made) == wanted
    except tomllib.TOMLDecodeError:
        is_as_wanted = False
    if not is_as_wanted:
        raise Misconfigured(
            f"The sections {', '.join(LEARNT)} of the two files cannot be told apart by their headers: give each a header "
            "line of its own, as [model]."
        )
