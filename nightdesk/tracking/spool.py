"""What is on its way to MLflow, on disk: one folder an item, whole or not there, oldest first. No pickle."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from nightdesk.errors import Misconfigured

REFUSED = "refused"


@dataclass(frozen=True)
class Item:
    """One thing to send: `record` goes into JSON, `frames` into Parquet, `artifacts` into files of these relative names."""

    key: str
    record: Mapping[str, Any]
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    model: Path | None = None


class Spool:
    """A folder of items. `refused/` inside it keeps what can never be sent, each with the reason."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_item(self, item: Item) -> None:
        """Append an item; a crash on the way leaves no part of it.

        Raises
        ------
        Misconfigured
            An artifact's name is no relative path inside the run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(item.key.encode()).hexdigest()[:16]
        unfinished = self.folder / f".new-{os.getpid()}-{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            _save_parts(item, unfinished)
            unfinished.rename(self.folder / f"{self._next_number():08d}-{name}")
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def items(self) -> list[Path]:
        """The folders of all items, oldest first."""
        return sorted(self.folder.glob("[0-9]*-*"))

    def remove_item(self, folder: Path) -> None:
        sent = folder.with_name(f".sent-{folder.name}")
        folder.rename(sent)
        shutil.rmtree(sent, ignore_errors=True)

    def refuse_item(self, folder: Path, reason: str) -> None:
        (self.folder / REFUSED).mkdir(exist_ok=True)
        (folder / "reason.txt").write_text(reason, encoding="utf-8")
        shutil.rmtree(self.folder / REFUSED / folder.name, ignore_errors=True)
        folder.rename(self.folder / REFUSED / folder.name)

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Whether this process alone may send while the block runs; the lock dies with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                alone = False
            yield alone

    def _next_number(self) -> int:
        taken = [*self.items(), *(self.folder / REFUSED).glob("[0-9]*-*")]
        return 1 + max((int(path.name.partition("-")[0]) for path in taken), default=0)


def load_record(folder: Path) -> dict[str, Any]:
    """An item's record, with its key under "key"."""
    record: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return record


def load_frame(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def artifacts_of(folder: Path) -> Path:
    """The folder of an item's artifacts, named as in the run."""
    return folder / "artifacts"


def model_of(folder: Path) -> Path:
    return folder / "model.skops"


def _save_parts(item: Item, folder: Path) -> None:
    artifacts = artifacts_of(folder)
    artifacts.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({"key": item.key, **item.record}), encoding="utf-8")
    for name, content in item.artifacts.items():
        path = artifacts / _inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, frame in item.frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    if item.model:
        shutil.copyfile(item.model, model_of(folder))


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise Misconfigured.value("artifact name", name, "a relative path without '..'")
    return path
