"""What every bar source must do. Subclass it, and give `source`, `symbols`, `first` and `last` that have bars."""

from datetime import date, timedelta

import pandas as pd
import pytest

from nightdesk.errors import Misconfigured
from nightdesk.market.checks import findings
from nightdesk.market.source import Source
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars


class SourceContract:
    """The specification of `nightdesk.market.source.Source`."""

    calendar = "XNYS"
    symbols: tuple[str, ...]
    first: date
    last: date

    @pytest.fixture
    def source(self) -> Source:
        raise NotImplementedError

    @pytest.fixture
    def bars(self, source: Source) -> pd.DataFrame:
        return source.fetch_bars(self.symbols, self.first, self.last)

    def test_fetched_bars_have_the_shape_of_bars(self, bars: pd.DataFrame) -> None:
        assert not bars.empty
        pd.testing.assert_frame_equal(Bars.validate(bars), bars)
        assert bars.index.equals(pd.RangeIndex(len(bars)))

    def test_fetched_bars_are_complete_and_without_errors(self, bars: pd.DataFrame) -> None:
        expected = exchange_sessions(self.calendar).between(self.first, self.last)
        assert [finding for finding in findings(bars, self.symbols, expected) if finding.severity == "error"] == []
        assert len(bars) == len(expected) * len(self.symbols)

    def test_a_shorter_request_is_a_part_of_the_longer_one(self, source: Source, bars: pd.DataFrame) -> None:
        sessions = bars[Bars.session].unique()
        first, last = sessions[1], sessions[-2]
        part = source.fetch_bars(self.symbols, first.date(), last.date())
        pd.testing.assert_frame_equal(part, bars[bars[Bars.session].between(first, last)].reset_index(drop=True))

    def test_one_symbol_gives_only_its_own_bars(self, source: Source, bars: pd.DataFrame) -> None:
        one = source.fetch_bars(self.symbols[:1], self.first, self.last)
        pd.testing.assert_frame_equal(one, bars[bars[Bars.symbol] == self.symbols[0]].reset_index(drop=True))

    def test_order_and_repetition_of_symbols_change_nothing(self, source: Source, bars: pd.DataFrame) -> None:
        again = source.fetch_bars((*reversed(self.symbols), self.symbols[0]), self.first, self.last)
        pd.testing.assert_frame_equal(again, bars)

    def test_a_caller_who_changes_his_frame_changes_no_later_one(self, source: Source, bars: pd.DataFrame) -> None:
        kept = bars.copy(deep=True)
        bars.loc[:, Bars.close] = 0.0
        pd.testing.assert_frame_equal(source.fetch_bars(self.symbols, self.first, self.last), kept)

    def test_days_without_sessions_give_an_empty_typed_frame(self, source: Source, bars: pd.DataFrame) -> None:
        saturday = self.first + timedelta(days=5 - self.first.weekday())
        empty = source.fetch_bars(self.symbols, saturday, saturday + timedelta(days=1))
        pd.testing.assert_frame_equal(empty, bars.iloc[:0])

    def test_an_unknown_symbol_is_refused_by_name(self, source: Source) -> None:
        with pytest.raises(Misconfigured, match="NOSUCH"):
            source.fetch_bars([self.symbols[0], "NOSUCH"], self.first, self.last)

    def test_a_simulated_market_opens_within_its_span_and_a_living_one_has_neither(self, source: Source) -> None:
        assert (source.span is None) == (source.opens is None)
        if source.span is not None and source.opens is not None:
            assert source.span[0] < source.opens <= source.span[1]
            bars = source.fetch_bars(self.symbols, date(1990, 1, 2), date(2099, 1, 1))
            assert (bars[Bars.session].min().date(), bars[Bars.session].max().date()) == source.span

    def test_name_and_currency_are_written_as_a_strategy_file_writes_them(self, source: Source) -> None:
        assert source.name.isidentifier() and source.name.islower()
        assert len(source.currency) == 3 and source.currency.isupper()
