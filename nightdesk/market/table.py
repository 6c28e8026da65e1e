"""The Delta Lake table under the bar store, in a folder or at s3://. Rows are added, files are merged, nothing is ever deleted.

Start child processes with spawn, never fork, once a table has been read: the reader's threads do not survive a fork.
At s3:// the AWS_... variables of the environment hold the credentials, the region and the endpoint; deltalake reads them itself.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pyarrow as pa

from nightdesk.errors import Misconfigured, OutOfSync, TryAgain

if TYPE_CHECKING:
    from deltalake import DeltaTable

KEEP_EVERYTHING: Final = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
UNREADABLE_IN_PATHS: Final = "%[]\\^|"
S3_PLACE: Final = r"s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/[A-Za-z0-9_\-]+)+"
MERGED_FILE_BYTES: Final = 16 * 2**20
"""Files from this size on are left alone when files are merged: the first large import is not written anew each month."""
ATTEMPTS: Final = 5
SHOWN_CHARS: Final = 300

T = TypeVar("T")


@dataclass(frozen=True)
class BarTable:
    """`place` is a folder, or a text of the form s3://bucket/folder.

    Every method raises `OutOfSync` where the table is there and cannot be read, `TryAgain` where S3 could not be reached.
    A reader does not notice every damage: `require_intact` does, and must be called before the table is read.
    """

    place: Path | str

    def __post_init__(self) -> None:
        if isinstance(self.place, str):
            if re.fullmatch(S3_PLACE, self.place) is None:
                raise Misconfigured.value("the bar store", self.place, "s3://bucket/folder with letters, digits, _ and -")
        elif any(mark in str(self.place) for mark in UNREADABLE_IN_PATHS):
            raise Misconfigured.value("the bar store's folder", str(self.place), f"a path without any of {UNREADABLE_IN_PATHS}")

    def load_rows(self, query: str) -> pa.Table | None:
        """What an SQL query over the table `bars` finds, in no order of its own; None where there is no table yet."""
        from deltalake import QueryBuilder

        with self._reading():
            table = self._table()
            return None if table is None else pa.table(QueryBuilder().register("bars", table).execute(query))

    def append_rows(self, rows: pa.Table) -> None:
        """Add rows in one commit, and make the table where there is none. Raises `TryAgain` where others were always faster."""
        from deltalake import write_deltalake

        self._commit(lambda: write_deltalake(str(self.place), rows, mode="append", configuration=KEEP_EVERYTHING))

    def merge_files(self) -> int:
        """Write small files anew as larger ones; how many. The small ones stay where they are, for reads of earlier versions.

        A checkpoint follows, so that a reader need not go through all commits. Raises `TryAgain` where another process merged
        the same files at each attempt.
        """

        def merge() -> int:
            table = self._table()
            merged = 0 if table is None else int(table.optimize.compact(target_size=MERGED_FILE_BYTES)["numFilesRemoved"])
            if table is not None and merged:
                table.create_checkpoint()
            return merged

        return self._commit(merge)

    def file_sha256s(self, known: Collection[str] = ()) -> dict[str, str]:
        """SHA-256 of each data file, commit and checkpoint that is not in `known`, by its path within the table.

        These files never change once they are written. They are read as bytes: damage makes a different hash, not an error.
        """
        with self._reading():
            files = self._files()
            return {path: _sha256(files, path) for path in sorted(_lasting(files) - set(known))}

    def require_intact(self, recorded: Mapping[str, str]) -> None:
        """Raise `OutOfSync` where a file of the table is not what it was when `file_sha256s` saw it, or is gone."""
        with self._reading():
            files = self._files()
            present = _lasting(files)
            now = {path: _sha256(files, path) if path in present else "" for path in sorted(recorded)}
        damaged = [path for path, sha256 in now.items() if sha256 != recorded[path]]
        if damaged:
            first, more = damaged[0], f" {len(damaged) - 1} more files differ." if damaged[1:] else ""
            found = f"has the SHA-256 {now[first]}" if now[first] else "is gone"
            raise OutOfSync(
                f"The file {first} of the bar store {self.place} {found}; recorded was {recorded[first]}.{more}",
                files=tuple(damaged),
                recorded=recorded[first],
                present=now[first],
            )

    def _table(self) -> "DeltaTable | None":
        from deltalake import DeltaTable

        return DeltaTable(str(self.place)) if DeltaTable.is_deltatable(str(self.place)) else None

    def _files(self) -> Any:
        """The table's files as a pyarrow file system; None where there are none."""
        from deltalake.exceptions import TableNotFoundError
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import PyFileSystem

        try:
            return PyFileSystem(DeltaStorageHandler(str(self.place)))
        except TableNotFoundError:
            return None

    def _commit(self, write: Callable[[], T]) -> T:
        from deltalake.exceptions import CommitFailedError

        for _ in range(ATTEMPTS):
            try:
                with self._reading():
                    return write()
            except CommitFailedError as error:
                reason = _plain(error)
        raise TryAgain(f"The bar store {self.place} was busy {ATTEMPTS} times: {reason}", place=str(self.place), reason=reason)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn the library's errors into ours; a lost race for a commit passes through."""
        from deltalake.exceptions import CommitFailedError, DeltaError

        try:
            yield
        except CommitFailedError:
            raise
        except (DeltaError, pa.ArrowException, OSError) as error:
            reason, text = _plain(error), str(error)
            if "Generic S3 error" in text and "InvalidRange" not in text:  # InvalidRange: a file was cut off
                raise TryAgain(f"The bar store {self.place} could not be reached: {reason}", place=str(self.place)) from error
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise
            raise OutOfSync(f"The bar store {self.place} could not be read: {reason}", place=str(self.place)) from error


def _lasting(files: Any) -> set[str]:
    """The paths of the files that never change once they are written."""
    from pyarrow.fs import FileSelector, FileType

    if files is None:
        return set()
    infos = files.get_file_info(FileSelector("", recursive=True))
    return {info.path for info in infos if info.type is FileType.File and info.path.endswith((".parquet", ".json"))}


def _sha256(files: Any, path: str) -> str:
    with files.open_input_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _plain(error: BaseException) -> str:
    """An error of the library on one line, without its colours and arrows."""
    text = re.sub(r"\x1b\[\d+m|↳", "", str(error))
    return " ".join(text.split())[:SHOWN_CHARS]
