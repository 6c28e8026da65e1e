"""The backtest's fits are made once, whatever is asked again; what can not be played is refused in a sentence."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nightdesk.backtest import fits
from nightdesk.backtest.report import as_document
from nightdesk.backtest.run import Backtest, run_backtest
from nightdesk.cli.print_backtest import print_backtest
from nightdesk.errors import Misconfigured
from tests.desks import settings_in
from tests.strategy_documents import Document, saved, seed, with_key

START, END = date(2018, 8, 15), date(2018, 11, 20)


def unheard(done: int, of: int) -> None:
    """Progress that nobody follows."""


def backtested(
    folder: Path, document: Document | None = None, end: date = END, start: date = START, home: str = "home"
) -> Backtest:
    path = saved(document or seed(), folder)
    return run_backtest(path, start, end, None, settings_in(folder / home), unheard)


def counted(patch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """The arguments of each call of a function that makes or asks a fit, in this process."""
    calls, real = [], getattr(fits, name)

    def call(*args: Any, **named: Any) -> Any:
        calls.append(args)
        return real(*args, **named)

    patch.setattr(fits, name, call)
    patch.setattr(fits, "FEWEST_FOR_PROCESSES", 1000)
    return calls


def require_same(one: Backtest, other: Backtest) -> None:
    np.testing.assert_array_equal(one.walk.scores, other.walk.scores)
    np.testing.assert_array_equal(one.equity["equity"], other.equity["equity"])


def test_a_second_run_makes_no_fit_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = counted(monkeypatch, "fit_of"), counted(monkeypatch, "predictions")
    first = backtested(tmp_path)
    assert first.walk.fits_made == len(made) == 4
    made.clear()
    asked.clear()
    second = backtested(tmp_path)
    assert (second.walk.fits_made, made, asked) == (0, [], [])
    require_same(first, second)


def test_one_more_session_makes_no_fit_and_asks_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = counted(monkeypatch, "fit_of"), counted(monkeypatch, "predictions")
    backtested(tmp_path)
    made.clear()
    asked.clear()
    longer = backtested(tmp_path, end=date(2018, 11, 21))
    assert (longer.walk.fits_made, made, len(asked)) == (0, [], 1)
    require_same(longer, backtested(tmp_path, end=date(2018, 11, 21), home="another"))


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch, "fit_of")

    def interrupt(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_backtest(saved(seed(), tmp_path), START, END, None, settings_in(tmp_path / "home"), interrupt)
    before = len(made)
    assert backtested(tmp_path).walk.fits_made == len(made) - before == 2


def test_fits_of_other_processes_are_the_fits_of_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spread = backtested(tmp_path)
    assert spread.walk.fits_made >= fits.FEWEST_FOR_PROCESSES
    monkeypatch.setattr(fits, "FEWEST_FOR_PROCESSES", 1000)
    require_same(spread, backtested(tmp_path, home="another"))


OTHER = [
    ("model.params", {"C": 0.5}),
    ("model.scaler", "robust"),
    ("features.columns", ["high_minus_low"]),
    ("target.name", "open_up"),
]


@pytest.mark.parametrize(("key", "value"), OTHER)
def test_another_way_to_learn_finds_nothing_in_the_cache(
    key: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(monkeypatch, "fit_of")
    backtested(tmp_path, start=date(2018, 11, 1))
    assert backtested(tmp_path, with_key(seed(), key, value), start=date(2018, 11, 1)).walk.fits_made == 1


def test_another_way_to_trade_finds_every_fit_in_the_cache(tmp_path: Path) -> None:
    backtested(tmp_path, start=date(2018, 11, 1))
    other = with_key(with_key(seed(), "sizing.increment", 0.001), "costs.slippage_bps", 9.0)
    assert backtested(tmp_path, other, start=date(2018, 11, 1)).walk.fits_made == 0


def test_a_torn_file_of_the_cache_is_made_again(tmp_path: Path) -> None:
    whole = backtested(tmp_path, start=date(2018, 11, 1))
    (file,) = (tmp_path / "home" / "cache" / "fits").glob("*.npz")
    file.write_bytes(file.read_bytes()[:-100])
    again = backtested(tmp_path, start=date(2018, 11, 1))
    assert again.walk.fits_made == 1
    require_same(whole, again)


def test_no_fit_is_shown_a_label_that_ends_after_its_cutoff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch, "fit_of")
    walk = backtested(tmp_path, with_key(seed(), "target.horizon_sessions", 3)).walk
    ends = [joined["label_end"].max().date() for joined, *_ in made]
    assert sorted(ends) == [fit.cutoff for fit in walk.fits]


def test_nothing_after_a_session_changes_what_was_said_before_it(tmp_path: Path) -> None:
    short, long = backtested(tmp_path, end=date(2018, 10, 10)), backtested(tmp_path, home="another")
    n = len(short.equity)
    np.testing.assert_array_equal(short.walk.scores, long.walk.scores[:n])
    np.testing.assert_array_equal(short.equity["equity"], long.equity["equity"][:n])


WRONG = [
    ({"end": date(2018, 8, 14)}, "end was '2018-08-14', allowed: 2018-08-15, the start, or later"),
    ({"end": date(2019, 3, 1)}, "end was '2019-03-01', allowed: 1999-01-04 to 2018-12-31"),
    ({"start": date(1999, 5, 3)}, "start was '1999-05-03', allowed: 2000-04-05 to 2018-11-20: a fit needs 318 sessions"),
    ({"start": None, "end": date(1999, 6, 1)}, "103 sessions of bars from 1999-01-04 to 1999-06-01 are too few"),
    ({"capital": 0.0}, "capital was 0.0, allowed: above 0, up to 1000000000000, in USD"),
    ({"capital": 1e308}, "capital was 1e+308, allowed: above 0, up to 1000000000000, in USD"),
    ({"capital": float("nan")}, "capital was nan, allowed: above 0, up to 1000000000000, in USD"),
    ({"strategy_name": "nope"}, "strategy was 'nope', allowed: a file that ends in .toml"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_what_can_not_be_played_is_refused_in_a_sentence(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    asked = {"strategy_name": saved(seed(), tmp_path), "start": START, "end": END, "capital": None} | change
    with pytest.raises(Misconfigured) as refused:
        run_backtest(**asked, here=settings_in(tmp_path / "home"), tell=unheard)
    assert refused.value.message.startswith(sentence)
    assert not (tmp_path / "home" / "cache" / "fits").exists()


def test_bars_of_a_vendor_come_from_the_store_and_nobody_is_asked(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"The store has no bar of \^GSPC from yahoo: `nightdesk day` fetches"):
        backtested(tmp_path, with_key(seed(), "market.source", "yahoo"))


def test_the_report_says_what_the_evidence_allows_and_the_document_has_it_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = backtested(tmp_path)
    print_backtest(made, as_json=False)
    text = " ".join(capsys.readouterr().out.split())
    assert f"{len(made.equity)} sessions, one history." in text
    assert f"{made.equity['equity'].iloc[-1]:,.2f} USD" in text
    assert "no excess is shown" in text
    print_backtest(made, as_json=True)
    document = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert document == as_document(made)
    assert len(document["equity"]) == document["sessions"] == len(made.equity)
    assert sum(fit["sessions_traded"] for fit in document["fits"]) == document["sessions"]
