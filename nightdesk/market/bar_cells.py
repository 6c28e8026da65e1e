"""The cells of a CSV or Parquet file, by what their columns mean: sizes, encoding and shape are judged here, values are not."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.histories import ADJUSTED_CLOSE
from schemas.bars import Bars

MAX_FILE_MB: Final = 50
"""On disk and unpacked. A hundred years of daily bars are about 3 MB."""

TOO_LARGE: Final = f"it is larger than {MAX_FILE_MB} MB, the most that is read"
MAX_ROWS: Final = 500_000
"""Of a Parquet file, which packs equal rows into next to nothing."""

CAPITAL_GAINS: Final = "capital_gains"
SPLITS_OF_YAHOO: Final = "stock_splits"
CLOSE_OF_NASDAQ: Final = "close/last"
MEANINGS: Final = {
    "session": Bars.session,
    "date": Bars.session,
    "datetime": Bars.session,
    "timestamp": Bars.session,
    "symbol": Bars.symbol,
    "ticker": Bars.symbol,
    "open": Bars.open,
    "high": Bars.high,
    "low": Bars.low,
    "close": Bars.close,
    CLOSE_OF_NASDAQ: Bars.close,
    "volume": Bars.volume,
    "adj_close": ADJUSTED_CLOSE,
    "adjclose": ADJUSTED_CLOSE,
    "adjusted_close": ADJUSTED_CLOSE,
    "dividend": Bars.dividend,
    "dividends": Bars.dividend,
    "dividend_amount": Bars.dividend,
    "divcash": Bars.dividend,
    CAPITAL_GAINS: CAPITAL_GAINS,
    "split": Bars.split,
    SPLITS_OF_YAHOO: Bars.split,
    "split_coefficient": Bars.split,
    "splitfactor": Bars.split,
}
"""What a column's name means, in lower case and with _ for blanks. Other columns are not read."""

NEEDED: Final = (Bars.session, Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume)


@dataclass(frozen=True)
class Columns:
    """What a kind of file has: the meaning of each name, in lower case and with _ for blanks, and the meanings it must have."""

    meanings: Mapping[str, str]
    needed: Sequence[str]


BAR_COLUMNS: Final = Columns(MEANINGS, NEEDED)
LINE_END: Final = re.compile(rb"\r\n|\n|\r")
PAGE: Final = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)


@dataclass(frozen=True)
class Cells:
    """The columns of a file that are read, named by their meaning: text, float64 or instants.

    `names` are the columns' names in the file, `text` its bytes where it has lines, of which the first `header` are its header.
    """

    file: str
    table: pd.DataFrame
    names: dict[str, str]
    text: bytes = b""
    header: int = 0

    def is_named(self, column: str, name: str) -> bool:
        """Whether the file calls a column so; it may not have it at all."""
        return plain_name(self.names.get(column, "")) == name

    def refusal(self, column: str, wrong: pd.Series, why: str) -> BadData:
        """The first wrong cell of a column, with its place and value, and how many more there are."""
        row = int(np.flatnonzero(wrong)[0])
        place = f"line {_line_of(self.text, self.header + row)}" if self.text else f"row {row + 1}"
        more = f" (and {int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
        return refusal(self.file, f"{place}: {self.names[column]} was {shown(self.table[column].iloc[row])}, {why}{more}")


def refusal(file: str, why: str) -> BadData:
    """The sentence about a file that is not understood."""
    return BadData(f"{printable(file)}: {why}.", file=file)


def shown(value: object) -> str:
    """A value as text in quotes, cut where it is long, and harmless to print."""
    text = str(value)
    return ascii(text if len(text) <= 80 else text[:77] + "...")


def printable(name: str) -> str:
    """A file's name, harmless to print."""
    return "".join(mark if mark.isprintable() else "?" for mark in name)


def csv_cells(file: Path, columns: Columns = BAR_COLUMNS) -> Cells:
    """The cells of a CSV file, packed or not. Raises `BadData` for what is no UTF-8 table with commas, or is too large."""
    content = _text(file)
    names, header = _header(file.name, content)
    meanings = _meanings(file.name, names, columns)
    positions = [str(position) for position in range(len(names))]
    wanted = [str(names.index(name)) for name in meanings.values()]
    reading = pyarrow.csv.ReadOptions(use_threads=False, column_names=positions, skip_rows=header, block_size=len(content) + 1)
    as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(positions, pa.string()), include_columns=wanted)
    try:
        table = pyarrow.csv.read_csv(pa.BufferReader(content), read_options=reading, convert_options=as_text)
    except pa.ArrowInvalid as error:
        raise refusal(file.name, _csv_reason(str(error), content)) from None
    return Cells(file.name, table.rename_columns(list(meanings)).to_pandas().astype("str"), meanings, content, header)


def csv_names(file: Path) -> list[str]:
    """The names of a CSV file's columns. Raises as `csv_cells` does."""
    return _header(file.name, _text(file))[0]


def _text(file: Path) -> bytes:
    """The file's bytes, unpacked, once they are known to be text of a bearable size."""
    limit = MAX_FILE_MB * 1_000_000
    try:
        with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as stream:
            content = stream.read(limit + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise refusal(file.name, f"it is not a whole gzip file: {error}") from None
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}.", path=str(file)) from None
    if len(content) > limit:
        raise refusal(file.name, TOO_LARGE)
    content = content.removeprefix(codecs.BOM_UTF8)
    _require_utf8(file.name, content)
    if not content.strip():
        raise refusal(file.name, "it is empty")
    if PAGE.match(content):
        raise refusal(file.name, "it is a web page, not a table")
    return content


def _require_utf8(file: str, content: bytes) -> None:
    try:
        content.decode("utf-8")
        wrong = content.find(b"\0")
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        line = content.count(b"\n", 0, wrong) + 1
        raise refusal(file, f"line {line}: it is not UTF-8 text, there is a byte {content[wrong]:#04x}")


def _header(file: str, content: bytes) -> tuple[list[str], int]:
    """The names of the columns, and after how many lines the bars begin. yfinance writes three header lines."""
    first, *_ = texts = [line.decode("utf-8") for line in re.split(LINE_END, content, maxsplit=3)[:3]]
    if "," not in first:
        marks = {";": "semicolons", "\t": "tabs", "|": "bars"}
        used = [word for mark, word in marks.items() if mark in first]
        why = f"its columns are separated by {used[0]}" if used else f"its first line is {shown(first)}"
        raise refusal(file, f"{why}; a first line with names separated by commas is needed")
    rows = [next(csv.reader(io.StringIO(text)), []) for text in texts]
    if len(rows) == 3 and (rows[0][0], (rows[1] or [""])[0], (rows[2] or [""])[0]) == ("Price", "Ticker", "Date"):
        return ["Date", *rows[0][1:]], 3
    return rows[0], 1


def _csv_reason(message: str, content: bytes) -> str:
    """What the parser said: the line that has another number of cells than the header, where it is that."""
    found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", message, re.DOTALL)
    if found is None:
        return "it has a header but no rows" if "Empty CSV" in message else f"it is not a table: {shown(message)}"
    row, expected, cells, text = found.groups()
    many = f"{cells} cells where the header has {expected}"
    return f"line {_line_of(content, int(row) - 1)} has {many}, is it cut, or has it decimal commas?: {shown(text)}"


def _line_of(content: bytes, row: int) -> int:
    """The line number of a row, counted from 0 with the header: the reader passes over empty lines."""
    return int(np.flatnonzero([bool(line) for line in re.split(LINE_END, content)])[row]) + 1


def parquet_cells(file: Path) -> Cells:
    """The cells of a Parquet file. Raises `BadData` for one that is too large, by its own metadata, or broken."""
    try:
        if file.stat().st_size > MAX_FILE_MB * 1_000_000:
            raise refusal(file.name, TOO_LARGE)
        with pyarrow.parquet.ParquetFile(file) as parquet:
            _require_bearable(file.name, parquet.metadata)
            meanings = _meanings(file.name, parquet.schema_arrow.names, BAR_COLUMNS)
            table = parquet.read(columns=list(meanings.values()), use_pandas_metadata=False)
    except (pa.ArrowException, OSError) as error:
        raise refusal(file.name, f"it is not a Parquet file that can be read: {str(error)[:200]}") from None
    columns = {meaning: _plain(file.name, name, table[name]) for meaning, name in meanings.items()}
    return Cells(file.name, pd.DataFrame(columns), meanings)


def _require_bearable(file: str, metadata: pyarrow.parquet.FileMetaData) -> None:
    if metadata.num_rows > MAX_ROWS:
        raise refusal(file, f"it has {metadata.num_rows:,} rows, the most that are read are {MAX_ROWS:,}")
    if sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)) > MAX_FILE_MB * 1_000_000:
        raise refusal(file, TOO_LARGE)


def _plain(file: str, name: str, column: pa.ChunkedArray) -> pd.Series:
    """A column as text, as float64 or as instants: whatever else it is, is refused."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string()).to_pandas().fillna("").astype("str")
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return column.to_pandas(date_as_object=False)  # in the file's own unit: any year fits
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False).to_pandas()
    raise refusal(file, f"its column {name} is of the type {kind}, allowed: numbers, dates, text")


def _meanings(file: str, names: Sequence[str], columns: Columns) -> dict[str, str]:
    """What is read: the name in the file for each meaning."""
    found: dict[str, str] = {}
    for name in names:
        meaning = columns.meanings.get(plain_name(name))
        if meaning is not None and meaning in found:
            raise refusal(file, f"its columns {found[meaning]} and {name} are both the {meaning}")
        if meaning is not None:
            found[meaning] = str(name)
    if missing := [column for column in columns.needed if column not in found]:
        has = shown(",".join(map(str, names)))
        raise refusal(
            file, f"it has no column for {', '.join(missing)} (named {', '.join(_names_of(missing, columns))}); it has {has}"
        )
    return found


def plain_name(name: str) -> str:
    """A column's name in lower case, with _ for blanks."""
    return name.strip().lower().replace(" ", "_")


def _names_of(meanings: list[str], columns: Columns) -> list[str]:
    return [name for name, meaning in columns.meanings.items() if meaning in meanings and name]
