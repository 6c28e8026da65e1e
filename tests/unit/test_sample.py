"""The bundled bars are the published files, read right."""

import hashlib
import re
from datetime import date
from importlib import resources

from nightdesk.market.checks import findings
from nightdesk.market.sample import FILES, SampleSource
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars

DATA = resources.files("nightdesk.market").joinpath("data")
FIRST, LAST = date(1999, 1, 4), date(2018, 12, 31)


def test_bundled_files_are_the_ones_that_the_readme_names_by_hash() -> None:
    named = dict(re.findall(r"\| `([a-z0-9]+\.csv\.gz)` \|.*`([0-9a-f]{64})` \|", DATA.joinpath("README.md").read_text("utf-8")))
    assert set(named) == set(FILES.values())
    for file, sha256 in named.items():
        assert hashlib.sha256(DATA.joinpath(file).read_bytes()).hexdigest() == sha256


def test_first_and_last_bars_are_those_of_the_file() -> None:
    bars = SampleSource().fetch_bars(["^GSPC"], FIRST, LAST).set_index(Bars.session)
    assert len(bars) == 5031
    values = [Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.dividend, Bars.split]
    assert bars.loc["1999-01-04", values].tolist() == [1229.22998, 1248.810059, 1219.099976, 1228.099976, 877e6, 0.0, 1.0]
    assert bars.loc["2018-12-31", values].tolist() == [2498.939941, 2509.23999, 2482.820068, 2506.850098, 3442870000.0, 0.0, 1.0]


def test_dates_are_read_month_first() -> None:
    bars = SampleSource().fetch_bars(["^GSPC"], date(1999, 1, 5), date(1999, 1, 5))
    assert bars[Bars.close].tolist() == [1244.780029]


def test_two_sessions_of_the_nasdaq_series_have_no_volume() -> None:
    bars = SampleSource().fetch_bars(["^IXIC"], FIRST, LAST)
    assert [day.date() for day in bars.loc[bars[Bars.volume] == 0, Bars.session]] == [date(2015, 5, 12), date(2018, 1, 9)]


def test_the_sample_is_complete_and_only_its_known_flaws_are_found() -> None:
    expected = exchange_sessions("XNYS").between(FIRST, LAST)
    found = findings(SampleSource().fetch_bars(list(FILES), FIRST, LAST), list(FILES), expected)
    silent, repeated = found
    assert (silent.severity, silent.code, silent.symbol) == ("warning", "no_volume", "^IXIC")
    assert silent.sessions == (date(2015, 5, 12), date(2018, 1, 9))
    assert (repeated.severity, repeated.code, repeated.symbol) == ("warning", "open_repeats_close", "^GSPC")
    assert [day.year for day in repeated.sessions] == [*range(1999, 2008), 2012, 2013]
    assert "up to 98% of the sessions of 1999-2007, 2012-2013" in repeated.message
