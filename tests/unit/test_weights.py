"""Tables of target weights that come from elsewhere: what they mean, and what is refused in a sentence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.errors import BadData, Misconfigured
from nightdesk.portfolio.weights import load_weights, weights_panel
from schemas.trading import Limits

SESSIONS = pd.DatetimeIndex(["2018-12-03", "2018-12-04", "2018-12-06"]).as_unit("ns")
SYMBOLS = ("AAA", "BBB")
LIMITS = Limits(max_order_notional=1e9)
SHORT = LIMITS.model_copy(update={"allow_short": True})


def table(*rows: tuple[object, object, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["session", "symbol", "weight"])


def test_a_table_in_any_order_becomes_a_panel_where_what_is_absent_holds() -> None:
    rows = table(("2018-12-06", "AAA", 0), ("2018-12-03", "BBB", 0.25), ("2018-12-03", "AAA", 0.5))
    panel = weights_panel(rows, SESSIONS, SYMBOLS, LIMITS)
    np.testing.assert_array_equal(panel, [[0.5, 0.25], [np.nan, np.nan], [0.0, np.nan]])


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("2018-12-03", "ZZZ", 0.5)], r"The weight 0.5 of ZZZ on 2018-12-03: allowed is a symbol of the strategy \(AAA, BBB\)"),
        ([("2018-12-05", "AAA", 0.5)], "The weight 0.5 of AAA on 2018-12-05: allowed is a session from 2018-12-03 to 2018-12-06"),
        ([("2018-12-07", "AAA", 0.5)], "of AAA on 2018-12-07: allowed is a session"),
        ([("2018-12-03", "AAA", 0.5), ("2018-12-03", "AAA", 0.5)], "allowed is one weight for a session and symbol"),
        ([("2018-12-03", "AAA", np.nan)], "The weight nan of AAA on 2018-12-03: allowed is a finite weight"),
        ([("2018-12-03", "AAA", "much")], "The weight of AAA on 2018-12-03 was 'much', allowed: a number"),
        ([("2018-12-03", "AAA", np.inf)], "The weight inf of AAA"),
        ([("soon", "AAA", 0.5)], "A session of the weights was 'soon', allowed: a date"),
        ([("2018-12-03", "AAA", 0.7), ("2018-12-03", "BBB", 0.4)], "stand on 2018-12-03 sum to 1.1 in absolute value"),
        ([("2018-12-03", "AAA", 0.7), ("2018-12-06", "BBB", 0.4)], "stand on 2018-12-06 sum to 1.1"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_by_name(rows: list[tuple[str, str, object]], sentence: str) -> None:
    with pytest.raises(BadData, match=sentence):
        weights_panel(table(*rows), SESSIONS, SYMBOLS, LIMITS)


def test_of_many_rows_that_are_wrong_the_first_are_named_and_the_others_counted() -> None:
    with pytest.raises(BadData, match="and 2 more: allowed is a session"):
        weights_panel(table(*[(f"2019-01-0{day}", "AAA", 0.5) for day in range(1, 6)]), SESSIONS, SYMBOLS, LIMITS)


def test_thirds_and_short_weights_count_by_their_size_and_need_to_be_allowed() -> None:
    rows = table(("2018-12-03", "AAA", -0.5), ("2018-12-03", "BBB", 0.5))
    assert weights_panel(rows, SESSIONS, SYMBOLS, SHORT)[0].tolist() == [-0.5, 0.5]
    with pytest.raises(Misconfigured, match=r"The weight -0\.5 of AAA on 2018-12-03 is short, and limits\.allow_short is false"):
        weights_panel(rows, SESSIONS, SYMBOLS, LIMITS)
    three = table(*[("2018-12-03", name, 1 / 3) for name in "ABC"])
    assert weights_panel(three, SESSIONS, ("A", "B", "C"), LIMITS)[0].sum() == pytest.approx(1.0)


def test_an_end_before_the_start_is_refused_in_a_sentence() -> None:
    with pytest.raises(Misconfigured, match="its end lies before its start"):
        weights_panel(table(("2018-12-03", "AAA", 0.5)), SESSIONS[:0], SYMBOLS, LIMITS)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_gives_the_panel_that_its_table_gives(suffix: str, tmp_path: Path) -> None:
    rows = table(("2018-12-03", "AAA", 0.5), ("2018-12-04", "BBB", 0.25))
    path = tmp_path / f"weights.{suffix}"
    rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)
    made = weights_panel(load_weights(path), SESSIONS, SYMBOLS, LIMITS)
    np.testing.assert_array_equal(made, weights_panel(rows, SESSIONS, SYMBOLS, LIMITS))


def test_a_file_that_is_no_table_of_weights_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("session,symbol\n2018-12-03,AAA\n")
    (tmp_path / "b.csv").write_text("")
    (tmp_path / "c.parquet").write_bytes(b"no parquet")
    said = {"a.csv": "lacks weight; it has session, symbol", "b.csv": "cannot be read", "c.parquet": "cannot be read"}
    for name, sentence in {**said, "d.csv": "cannot be read", "e.txt": "a .csv or .parquet file"}.items():
        with pytest.raises(BadData, match=sentence):
            load_weights(tmp_path / name)


HEADER = "session,symbol,weight\n"
WRITTEN = {
    "2018-12-03T00:00:00-05:00,AAA,0.5": "was '2018-12-03T00:00:00-05:00', allowed: a date as 2018-12-31, without time or zone",
    "2018-12-03T21:00:00Z,AAA,0.5\n2018-12-04 00:00,AAA,0.5": "was '2018-12-03T21:00:00Z', allowed: a date",
    "2018-12-03 16:00:00,AAA,0.5": "was '2018-12-03 16:00:00', allowed: a date",
    "2018-12,AAA,0.5": "was '2018-12', allowed: a date",
    "43437,AAA,0.5": "was '43437', allowed: a date",
    "2018-12-03,AAA,60%": "The weight of AAA on 2018-12-03 was '60%', allowed: a number with a decimal point",
    '2018-12-03,AAA,"0,6"': "The weight of AAA on 2018-12-03 was '0,6', allowed: a number",
    "2018-12-03,AAA,True": "The weight of AAA on 2018-12-03 was 'True', allowed: a number",
    "2018-12-03,AAA,": "The weight nan of AAA on 2018-12-03: allowed is a finite weight",
    "2018-12-03,NA,0.5": "The weight 0.5 of NA on 2018-12-03: allowed is a symbol of the strategy",
}


@pytest.mark.parametrize("rows", list(WRITTEN))
def test_a_cell_of_a_file_that_is_no_day_or_number_is_named_as_it_is_written(rows: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(f"{HEADER}{rows}\n")
    with pytest.raises(BadData) as refused:
        weights_panel(load_weights(path), SESSIONS, SYMBOLS, LIMITS)
    assert WRITTEN[rows] in refused.value.message


def test_a_symbol_may_be_called_as_what_is_missing_or_true_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(f"\ufeff{HEADER}2018-12-03,NA,0.25\n20181204,TRUE,0.5\n", encoding="utf-8")
    made = weights_panel(load_weights(path), SESSIONS, ("NA", "TRUE"), LIMITS)
    assert (made[0, 0], made[1, 1]) == (0.25, 0.5)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text("session,symbol,weight,weight\n2018-12-03,AAA,0.5,0.25\n")
    with pytest.raises(BadData, match="has the column weight twice, allowed: once"):
        load_weights(path)
