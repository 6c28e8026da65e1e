"""Secrets that must never be seen, and a search for them in whatever a desk has left behind."""

import re
import sqlite3
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

KEY_ID, SECRET_KEY = "PKCANARY7KEY3ID9", "cAnary/Secret+of=the&desk:7f3a"
USER, PASSWORD, HOOK = "canaryUser8", "canaryPass6word", "canaryHook5token"
CANARIES = (KEY_ID, SECRET_KEY, USER, PASSWORD, HOOK)


def notify_address(port: int) -> str:
    return f"json://{USER}:{PASSWORD}@127.0.0.1:{port}/{HOOK}"


def written(canary: str) -> list[str]:
    """The ways in which it could have been written: plain, in a URL, backwards, in base64 wherever it may begin there."""
    inside = [b64encode(b"." * before + canary.encode() + b"...").decode()[4:-8] for before in range(3)]
    return [canary, canary[::-1], quote(canary), quote(canary, safe=""), quote_plus(canary), *inside]


FORMS = {form.encode(): canary for canary in CANARIES for form in written(canary)}
FOUND = re.compile(b"|".join(map(re.escape, sorted(FORMS, key=len, reverse=True))), re.IGNORECASE)


def hits(texts: Mapping[str, bytes], folder: Path) -> list[str]:
    """Where in the texts, in the files of a folder and in their names a canary stands, with what stands before it."""
    rows = [*texts.items(), *_contents(folder)]
    return [
        f"{name}: ...{content[max(found.start() - 60, 0) : found.end()]!r}"
        for name, content in rows
        for found in FOUND.finditer(content)
    ]


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it is, and of a database every row of every table as well, whose values may lie scattered in the file."""
    for path in sorted(folder.rglob("*")):
        yield "a file's name", str(path.relative_to(folder)).encode()
        if path.is_file():
            content = path.read_bytes()
            yield str(path), content
            if content.startswith(b"SQLite format 3"):
                with closing(sqlite3.connect(path)) as database:
                    yield f"{path} (rows)", "\n".join(database.iterdump()).encode()
