"""Every key of the strategy file changes the answer of a short run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.errors import Misconfigured
from nightdesk.ledger.book import book_id
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.sample import SampleSource
from nightdesk.settings import CHECKOUT, Settings
from nightdesk.wiring import markets
from schemas.bars import Bars
from schemas.outcomes import ending
from schemas.strategy import Strategy
from tests.desks import settings_in
from tests.strategy_documents import NO_MLFLOW, Document, saved, seed, two_instruments, with_key
from tests.unit.test_strategy_docs import keys

FIELDS = dict(keys(Strategy))
MONDAY, TUESDAY, THURSDAY = date(2018, 12, 3), date(2018, 12, 4), date(2018, 12, 6)


@dataclass(frozen=True)
class Row:
    """Another valid value of a key, and where it shows: with what `beside` it, over which sessions, without whose bar, with a
    close that the vendor moves by 1 % after the first session, with a second source whose closes are 0.3 % apart; or in which
    other test."""

    value: object
    beside: Mapping[str, object] = field(default_factory=dict)
    sessions: tuple[date, ...] = (MONDAY,)
    absent: tuple[str, date] | None = None
    rewritten: bool = False
    second: bool = False
    instruments: int = 1
    elsewhere: str = ""


RULE: dict[str, object] = {**dict.fromkeys(("features", "target", "model", "gate")), "rule.name": "buy_and_hold"}
DAILY = {"model.retrain": "daily"}
FRACTIONS = {"sizing.increment": 0.001}
TWO = (MONDAY, TUESDAY)
LONGER = (MONDAY, TUESDAY, THURSDAY)
LIMITS = "tests/unit/test_limits.py::test_each_limit_may_be_reached_and_not_passed"
SEARCHED = "tests/unit/test_search.py::test_another_value_of_each_key_of_the_search_is_another_search"
SEARCH_KEYS: dict[str, object] = {
    "params": {"model.params.C": [0.5, 2.0]},
    "features": [["high_minus_low"]],
    "thresholds": [0.05],
    "score": "accuracy",
    "folds": 4,
    "embargo_sessions": 20,
    "holdout_fraction": 0.3,
    "prune": True,
    "seed": 1,
}
EXAMPLES: dict[str, Row] = {
    "name": Row("another"),
    "capital": Row(50_000),
    "market.source": Row("another"),
    "market.second_source": Row("csvdir", {"market.second_tolerance": 0.001}, second=True),
    "market.second_tolerance": Row(0.001, {"market.second_source": "csvdir"}, second=True),
    "market.late_bar_wait_min": Row(
        10, elsewhere="tests/integration/test_living_market.py::test_a_late_bar_is_waited_for_as_long_as_the_strategy_says"
    ),
    "market.restatement_tolerance": Row(0.02, sessions=TWO, rewritten=True),
    "market.calendar": Row("XLON"),
    "market.currency": Row("EUR"),
    "market.membership": Row("members.csv", elsewhere="tests/unit/test_rules.py::test_who_is_no_member_is_closed_and_not_ranked"),
    "market.min_coverage": Row(0.5, sessions=TWO, absent=("^IXIC", TUESDAY), instruments=2),
    "market.instruments.signal": Row("^IXIC"),
    "market.instruments.instrument": Row("OTHER"),
    "market.instruments.instrument_id": Row("other"),
    "market.instruments.prices": Row("^IXIC"),
    "features.columns": Row(["high_minus_low"]),
    "target.name": Row("open_up"),
    "target.horizon_sessions": Row(5),
    "model.estimator": Row("sklearn.linear_model.RidgeClassifier"),
    "model.params": Row({"C": 0.001}),
    "model.scaler": Row("none"),
    "model.train_fraction": Row(0.5),
    "model.min_train_sessions": Row(10_000),
    "model.retrain": Row("daily", sessions=TWO),
    "model.max_age_sessions": Row(1, sessions=LONGER),
    "model.deploy": Row("refit_all"),
    "gate.min_test_accuracy": Row(0.9),
    # the fit of Thursday is the first below this accuracy
    "gate.on_fail": Row("keep_champion", {**DAILY, "gate.min_test_accuracy": 0.527}, LONGER),
    # the range of 2018-02-05 is wider than any before the model's test
    "gate.max_outlier_mad": Row(0.5, sessions=(date(2018, 2, 5),)),
    "signal.kind": Row(
        "long_short", elsewhere="tests/unit/test_signals.py::test_a_threshold_and_a_kind_say_which_side_a_score_is_on"
    ),
    "signal.threshold": Row(1000.0),
    "rule.name": Row("mean_reversion", RULE),
    "rule.params": Row({"fast_sessions": 20}, RULE | {"rule.name": "moving_average_cross"}),
    "weights.file": Row(
        "other.csv", elsewhere="tests/integration/test_ruled_days.py::test_a_table_is_found_beside_the_strategy_that_names_it"
    ),
    "gate.require": Row(["accuracy"]),  # 52.8 % right, where the training majority was on 52.5 %
    "sizing.buffer": Row(0.5),
    "sizing.rebalance_band": Row(0.0, FRACTIONS, TWO),
    "sizing.increment": Row(0.001),
    "costs.commission_bps": Row(20.0, sessions=TWO),
    "costs.commission_per_share": Row(0.5, sessions=TWO),
    "costs.commission_min": Row(100.0, sessions=TWO),
    "costs.commission_per_order": Row(5.0, sessions=TWO),
    "costs.commission_max": Row(1.0, sessions=TWO),
    "costs.slippage_bps": Row(20.0, sessions=TWO),
    "costs.max_bar_volume_share": Row(1e-9, sessions=TWO),  # of 5.2 billion shares
    "costs.price_impact": Row(
        0.5, elsewhere="tests/unit/test_simulate.py::test_price_impact_is_the_square_of_the_share_of_the_volume"
    ),
    "limits.max_order_notional": Row(1000.0),
    "limits.max_position_share": Row(0.5),
    "limits.max_order_quantity": Row(10),
    "limits.max_order_share": Row(0.5),
    "limits.max_volume_share": Row(1e-9),
    "limits.price_collar": Row(0.01, elsewhere=LIMITS),
    "limits.max_buying_power_share": Row(0.5),
    "limits.allow_short": Row(True, elsewhere=LIMITS),
    "limits.max_orders_per_instrument": Row(1, elsewhere=LIMITS),
    "limits.max_orders_per_day": Row(1, instruments=2),
    "limits.max_data_age_h": Row(0.1),
    # the S&P 500 fell by 3.24 % on Tuesday 2018-12-04 and by 0.15 % on Thursday
    "limits.max_daily_loss": Row(0.01, sessions=TWO),
    "limits.max_drawdown": Row(0.01, sessions=TWO),
    "limits.max_losing_sessions": Row(1, sessions=LONGER),
    "limits.end_date": Row("2018-12-04", sessions=TWO),
    "expected.tolerance_bps": Row(
        1.0,
        elsewhere="tests/integration/test_expected_days.py::"
        "test_paper_days_go_as_expected_and_a_fill_off_the_open_is_slippage_and_fees",
    ),
    "broker.name": Row("another"),
    "broker.account": Row("another"),
    "broker.account_number": Row("A1", elsewhere="tests/unit/test_live_switches.py::test_live_needs_two_switches_of_one_account"),
    "broker.execution": Row("confirm"),
    "broker.time_in_force": Row("day"),
    "own_code": Row("", elsewhere="tests/unit/test_own_code.py::test_the_text_of_the_file_is_part_of_what_the_strategy_is"),
    **{f"search.{name}": Row(value, elsewhere=SEARCHED) for name, value in SEARCH_KEYS.items()},
}


def source_without(symbol: str, session: date) -> type[SampleSource]:
    class Late(SampleSource):
        """A source where one bar has not come."""

        def fetch_bars(self, *args: Any, **kwargs: Any) -> pd.DataFrame:
            bars = super().fetch_bars(*args, **kwargs)
            late = (bars[Bars.symbol] == symbol) & (bars[Bars.session] == pd.Timestamp(session))
            return bars[~late].reset_index(drop=True)

    return Late


class Rewriting(SampleSource):
    """A vendor that has moved a close of November by 1 % by Tuesday."""

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        bars = super().fetch_bars(symbols, first, last)
        moved = (bars[Bars.session] == pd.Timestamp("2018-11-15")) & (last >= TUESDAY)
        bars.loc[moved, [Bars.open, Bars.high, Bars.low, Bars.close]] *= 1.01
        return bars


def save_closes_apart(folder: Path) -> None:
    """The sample's S&P 500 as a second source has it: every price 0.3 % higher."""
    bars = SampleSource().fetch_bars(["^GSPC"], *(SampleSource.span or ()))
    bars[[Bars.open, Bars.high, Bars.low, Bars.close]] *= 1.003
    folder.mkdir(parents=True)
    bars.drop(columns=Bars.symbol).to_csv(folder / "^GSPC.csv", index=False)


def answer(document: Document, row: Row, folder: Path) -> object:
    """What a short run decides, orders, fills and is worth, or the refusal. Hashes of the file are left out."""
    here = Settings(home=folder / "home", mlflow_uri=NO_MLFLOW, data=folder / "data")
    path = saved(document, folder)
    if row.second:
        save_closes_apart(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        if row.absent:
            patch.setattr(markets, "SampleSource", source_without(*row.absent))
        if row.rewritten:
            patch.setattr(markets, "SampleSource", Rewriting)
        try:
            made = [play_day(path, session, "paper", "manual", here) for session in row.sessions]
        except Misconfigured as refused:
            return refused.message
    outcomes = [(day.outcome, ending(day.outcome).exit_code) for day in made]
    assert not any(isinstance(day, Closed) for day in made)
    account = document["broker"].get("account") or document["name"]
    book = book_id("paper", account, document["name"])
    ledger = Ledger(ledger_file(here.home, "paper"))
    said = ("signals", "targets", "holdings", "limits", "intents", "outcome")
    bodies = [made.body for session in row.sessions if (made := ledger.decision(book, session))]
    records = [*ledger.fills(book), *ledger.marks(book)]
    ledger.close()
    return outcomes, [{key: body[key] for key in said} for body in bodies], [asdict(record) for record in records]


def base_of(row: Row) -> Document:
    document = two_instruments(seed()) if row.instruments == 2 else seed()
    for key, value in row.beside.items():
        document = with_key(document, key, value)
    return document


BASES: dict[str, object] = {}


@pytest.fixture
def base_answer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> object:
    """The answer without the change, made once for all rows that share it."""
    row: Row = request.param
    name = repr((dict(row.beside), row.sessions, row.absent, row.rewritten, row.second, row.instruments))
    if name not in BASES:
        BASES[name] = answer(base_of(row), row, tmp_path_factory.mktemp("base"))
    return BASES[name]


def test_every_key_of_the_strategy_file_has_a_row_and_no_row_is_without_its_key() -> None:
    assert sorted(EXAMPLES) == sorted(FIELDS)


def test_a_key_that_is_tried_elsewhere_names_a_test_that_is_there() -> None:
    for row in EXAMPLES.values():
        if row.elsewhere:
            file, _, name = row.elsewhere.partition("::")
            assert f"def {name}(" in (CHECKOUT / file).read_text()


HERE = {key: row for key, row in EXAMPLES.items() if not row.elsewhere}


@pytest.mark.parametrize(("key", "base_answer"), list(HERE.items()), indirect=["base_answer"], ids=list(HERE))
def test_changing_the_key_changes_the_answer(key: str, base_answer: object, tmp_path: Path) -> None:
    row = EXAMPLES[key]
    changed = with_key(base_of(row), key, row.value)
    assert changed != base_of(row)
    assert answer(changed, row, tmp_path) != base_answer


def test_the_same_file_gives_the_same_answer_and_its_spelling_does_not_matter(tmp_path: Path) -> None:
    row = Row(0, sessions=TWO)
    respelled = with_key(with_key(seed(), "capital", 100_000.0), "costs.commission_min", 0)
    first, second = answer(seed(), row, tmp_path / "a"), answer(respelled, row, tmp_path / "b")
    assert first == second
    assert [outcome for outcome, _ in first[0]] == ["traded", "no change"]


# books of several strategies


def test_a_strategy_that_is_refused_an_account_leaves_its_owner_alone(tmp_path: Path) -> None:
    here = settings_in(tmp_path / "home", mlflow_uri=NO_MLFLOW)
    owner, intruder = saved(seed(), tmp_path / "a"), saved(with_key(seed(), "name", "intruder"), tmp_path / "b")
    play_day(owner, MONDAY, "paper", "manual", here)
    with pytest.raises(Misconfigured, match=r"broker\.account was 'cheap', allowed: an account without a book"):
        play_day(intruder, MONDAY, "paper", "manual", here)
    assert play_day(owner, TUESDAY, "paper", "manual", here).outcome == "no change"


def test_an_instrument_that_is_held_cannot_leave_the_file(tmp_path: Path) -> None:
    here = settings_in(tmp_path / "home", mlflow_uri=NO_MLFLOW)
    path = saved(seed(), tmp_path)
    for session in (MONDAY, TUESDAY):
        play_day(path, session, "paper", "manual", here)
    saved(with_key(seed(), "market.instruments.instrument", "OTHER"), tmp_path)
    with pytest.raises(Misconfigured, match=r"market\.instruments was .*OTHER.*the book holds SPXSIM"):
        play_day(path, THURSDAY, "paper", "manual", here)


def test_two_instruments_on_one_price_both_trade(tmp_path: Path) -> None:
    document = two_instruments(seed())
    document["market"]["instruments"][1].update(signal="^GSPC", prices="^GSPC")
    _, bodies, records = answer(document, Row(0, sessions=TWO), tmp_path)
    assert [intent["instrument"] for intent in bodies[0]["intents"]] == ["SPXSIM", "IXSIM"]
    assert sorted(record["instrument"] for record in records if "fill_id" in record) == ["IXSIM", "SPXSIM"]
