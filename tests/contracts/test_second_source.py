"""A source with a second one beside it: the contract, the fallback, and the comparison of closes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadData, Misconfigured, NightdeskError, TryAgain
from nightdesk.market.sample import SampleSource
from nightdesk.market.second import SecondedSource, disagreements
from nightdesk.market.source import Source
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.alpaca_data_server import AlpacaServer, Reply, at_close, listed, running
from tests.alpaca_market import source_at
from tests.bars import clean_bars
from tests.contracts.source_contract import SourceContract

FIRST, LAST = date(2018, 10, 1), date(2018, 12, 31)
SESSIONS = exchange_sessions("XNYS").between(FIRST, LAST)
SYMBOLS = ["AAPL", "KO", "SPY"]
TOLERANCE = 0.005
quick = settings(max_examples=20, deadline=None, database=None)


@dataclass
class Written:
    """A source that gives the bars it was given, or fails."""

    bars: pd.DataFrame
    name: str = "one"
    currency: str = "USD"
    error: NightdeskError | None = None
    span: tuple[date, date] | None = None
    opens: date | None = None
    fetches: int = 0

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        self.fetches += 1
        if self.error is not None:
            raise self.error
        days = self.bars[Bars.session].between(pd.Timestamp(first), pd.Timestamp(last))
        return self.bars[days & self.bars[Bars.symbol].isin(symbols)].reset_index(drop=True)


def made(seed: int = 5) -> pd.DataFrame:
    return clean_bars(SESSIONS, SYMBOLS, seed)


def fetched(first: Source, second: Source, tolerance: float = TOLERANCE) -> pd.DataFrame:
    return SecondedSource(first, second, tolerance).fetch_bars(SYMBOLS, FIRST, LAST)


class TestSecondedSample(SourceContract):
    """A simulated market, seconded by itself."""

    symbols = ("^GSPC", "^IXIC")
    first, last = date(2018, 11, 30), LAST

    @pytest.fixture
    def source(self) -> Source:
        return SecondedSource(SampleSource(), SampleSource(), 0.0)


class TestSecondedAlpaca(SourceContract):
    """Two sources over real connections."""

    symbols = ("AAPL", "KO", "SPY")
    first, last = FIRST, LAST

    @pytest.fixture
    def source(self) -> Iterator[Source]:
        bars = made()
        now, acted = at_close(LAST), listed(bars)
        with running(AlpacaServer(now, bars, acted)) as one, running(AlpacaServer(now, bars, acted)) as two:
            yield SecondedSource(source_at(one), source_at(two), TOLERANCE)


def test_the_bars_are_the_firsts_and_carry_no_note_where_both_agree() -> None:
    bars = made()
    nearly = bars.assign(**{Bars.close: bars[Bars.close] * 1.004, Bars.volume: 7.0})
    answer = fetched(Written(bars), Written(nearly, "two"))
    pd.testing.assert_frame_equal(answer, bars)
    assert "notes" not in answer.attrs


def test_name_currency_span_and_opening_are_the_firsts() -> None:
    seconded = SecondedSource(SampleSource(), Written(made(), "two"), TOLERANCE)
    sample = SampleSource()
    assert (seconded.name, seconded.currency) == (sample.name, sample.currency)
    assert (seconded.span, seconded.opens) == (sample.span, sample.opens)


@pytest.mark.parametrize("error", [TryAgain("The line is down."), BadData("The split history has a gap.")])
def test_the_second_takes_the_place_of_a_first_that_fails_and_says_so(error: NightdeskError) -> None:
    bars = made()
    answer = fetched(Written(bars.iloc[:0], error=error), Written(bars, "two"))
    pd.testing.assert_frame_equal(answer, bars)
    (note,) = answer.attrs["notes"]
    assert "two" in note and "one" in note and error.message in note


def test_a_first_that_fails_over_the_wire_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightdesk.alpaca_http.FIRST_WAIT_S", 0.01)
    bars = made()
    with running(AlpacaServer(at_close(LAST), bars, always=lambda asked: Reply(503, b"<html></html>"))) as server:
        answer = fetched(source_at(server), Written(bars, "two"))
    pd.testing.assert_frame_equal(answer, bars)
    assert "503" in answer.attrs["notes"][0]


def test_a_wrong_setting_of_the_first_is_not_hidden_by_the_second() -> None:
    second = Written(made(), "two")
    with pytest.raises(Misconfigured, match="NOSUCH"):
        fetched(Written(made(), error=Misconfigured.value("symbol", "NOSUCH", "AAPL")), second)
    assert second.fetches == 0


def test_a_wrong_setting_of_the_second_is_told_at_once() -> None:
    with pytest.raises(Misconfigured, match="keys"):
        fetched(Written(made()), Written(made(), "two", error=Misconfigured("The keys must be set.")))


@pytest.mark.parametrize("error", [TryAgain("The line is down."), BadData("The split history has a gap.")])
def test_bars_that_could_not_be_compared_say_so(error: NightdeskError) -> None:
    bars = made()
    answer = fetched(Written(bars), Written(bars, "two", error=error))
    pd.testing.assert_frame_equal(answer, bars)
    (note,) = answer.attrs["notes"]
    assert "not cross-checked" in note and "two" in note and error.message in note


@pytest.mark.parametrize(
    ("first", "second", "kind"), [(TryAgain, TryAgain, TryAgain), (BadData, TryAgain, TryAgain), (BadData, BadData, BadData)]
)
def test_where_both_fail_the_error_names_both_reasons(
    first: type[NightdeskError], second: type[NightdeskError], kind: type[NightdeskError]
) -> None:
    with pytest.raises(kind, match=r"one: This\. two: That\."):
        fetched(Written(made(), error=first("This.")), Written(made(), "two", error=second("That.")))


def test_another_currency_is_refused_when_the_two_are_put_together() -> None:
    with pytest.raises(Misconfigured, match="USD"):
        SecondedSource(Written(made()), Written(made(), "two", currency="EUR"), TOLERANCE)


def test_each_disagreement_is_named_with_both_values() -> None:
    """Apple's close of 2020-08-28, as traded and as adjusted for the split of 4:1 that followed."""
    one = clean_bars(pd.DatetimeIndex(["2020-08-28"]), ["AAPL"], seed=1).assign(close=499.23)
    with pytest.raises(BadData, match=r"one and two .*0\.005.*AAPL on 2020-08-28 \(499\.23 and 124\.8075\)") as error:
        SecondedSource(Written(one), Written(one.assign(close=499.23 / 4), "two"), TOLERANCE).fetch_bars(
            ["AAPL"], date(2020, 8, 28), date(2020, 8, 28)
        )
    assert error.value.values["disagreements"] == (("AAPL", date(2020, 8, 28), 499.23, 499.23 / 4),)


def test_a_sentence_names_three_and_counts_the_rest_while_the_values_have_all() -> None:
    bars = made()
    with pytest.raises(BadData, match=f"and {len(bars) - 3} more") as error:
        fetched(Written(bars), Written(bars.assign(**{Bars.close: bars[Bars.close] * 10}), "two"))
    found = error.value.values["disagreements"]
    assert isinstance(found, tuple) and len(found) == len(bars)
    assert error.value.message.count(" on 20") == 3


def test_bars_that_only_one_source_has_are_counted_but_no_disagreement() -> None:
    bars = made()
    answer = fetched(Written(bars.iloc[:-4]), Written(bars.iloc[5:], "two"))
    pd.testing.assert_frame_equal(answer, bars.iloc[:-4])
    (note,) = answer.attrs["notes"]
    assert note.startswith(f"5 of {len(bars) - 4} bars of one were not cross-checked")


def test_notes_of_the_first_source_are_kept() -> None:
    bars = made()
    bars.attrs["notes"] = ["A spin-off."]
    assert fetched(Written(bars), Written(made().iloc[1:], "two")).attrs["notes"][0] == "A spin-off."
    assert bars.attrs["notes"] == ["A spin-off."]


@given(st.floats(0.001, 0.3), st.sampled_from([-1.5, -1.01, -0.99, 0.0, 0.5, 0.99, 1.01, 3.0]), st.integers(0, 10))
@quick
def test_exactly_the_differences_above_the_tolerance_are_found(tolerance: float, share: float, row: int) -> None:
    bars = made()
    others = bars.assign(**{Bars.close: bars[Bars.close].where(bars.index != row, bars[Bars.close] * (1 + share * tolerance))})
    found = [(symbol, day) for symbol, day, *_ in disagreements(bars, others, tolerance)]
    assert found == ([(bars.at[row, Bars.symbol], bars.at[row, Bars.session].date())] if abs(share) > 1 else [])


@given(st.integers(0, 2**32 - 1), st.sampled_from([-1, 1]), st.sampled_from(SYMBOLS))
@quick
def test_a_symbol_that_is_shifted_by_a_day_is_found_and_no_other(seed: int, days: int, symbol: str) -> None:
    bars = made(seed)
    mine = bars[Bars.symbol] == symbol
    shifted = bars.assign(**{Bars.close: bars[Bars.close].where(~mine, bars[mine][Bars.close].shift(days).reindex(bars.index))})
    assert {name for name, *_ in disagreements(shifted.dropna(), bars, TOLERANCE)} == {symbol}


@given(st.integers(0, 2**32 - 1), st.permutations(SYMBOLS))
@quick
def test_two_symbols_that_are_swapped_are_both_found(seed: int, order: list[str]) -> None:
    bars = made(seed)
    swap = {order[0]: order[1], order[1]: order[0]}
    swapped = bars.assign(**{Bars.symbol: bars[Bars.symbol].replace(swap)}).sort_values([Bars.session, Bars.symbol])
    assert {name for name, *_ in disagreements(swapped, bars, TOLERANCE)} == set(order[:2])
