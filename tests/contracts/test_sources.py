"""Every source keeps the contract."""

from datetime import date

import pytest

from nightdesk.errors import Misconfigured
from nightdesk.market.sample import SampleSource
from nightdesk.market.source import Source
from tests.contracts.source_contract import SourceContract


class TestSampleSource(SourceContract):
    symbols = ("^GSPC", "^IXIC")
    first = date(2018, 11, 30)
    last = date(2018, 12, 31)

    @pytest.fixture
    def source(self) -> Source:
        return SampleSource()

    def test_a_refusal_names_the_symbols_that_are_bundled(self, source: Source) -> None:
        with pytest.raises(Misconfigured, match=r"\^GSPC, \^IXIC"):
            source.fetch_bars(["SPY"], self.first, self.last)
