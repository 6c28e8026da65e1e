"""The strategy file: what is wrong is refused in one sentence, and every key changes the answer."""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nightdesk import wiring
from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.errors import Misconfigured
from nightdesk.ledger.book import book_id
from nightdesk.ledger.store import Ledger, ledger_file
from nightdesk.market.sample import SampleSource
from nightdesk.settings import Settings
from schemas.bars import Bars
from schemas.outcomes import ending
from schemas.strategy import Strategy
from tests.desks import SEED, settings_in
from tests.unit.test_strategy_docs import keys

NO_MLFLOW = "http://127.0.0.1:9"
FIELDS = dict(keys(Strategy))
MONDAY, TUESDAY, THURSDAY = date(2018, 12, 3), date(2018, 12, 4), date(2018, 12, 6)
Document = dict[str, Any]


# documents


def seed() -> Document:
    """The seed strategy with a cheap model that may trade."""
    document = tomllib.loads(SEED.read_text(encoding="utf-8"))
    document["name"] = "cheap"
    document["model"]["estimator"] = "sklearn.linear_model.LogisticRegression"
    document["gate"]["min_test_accuracy"] = 0.0
    document["broker"]["account"] = "cheap"
    return document


def with_key(document: Document, key: str, value: object) -> Document:
    """A copy with one key set, None: left out. A key of an instrument is set in the first of them."""
    changed = deepcopy(document)
    *tables, name = key.split(".")
    table = changed
    for part in tables:
        table = table.setdefault(part, {})
        table = table[0] if isinstance(table, list) else table
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value
    return changed


def toml_value(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value)


def toml_lines(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{key} = {toml_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"[{prefix}{key}]"
            yield from toml_lines(value, f"{prefix}{key}.")


def saved(document: Document, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "strategy.toml"
    path.write_text("\n".join(toml_lines(document)), encoding="utf-8")
    return str(path)


def load(document: Document, folder: Path) -> Strategy:
    return wiring.load_strategy(saved(document, folder), settings_in(folder / "home"))


def refusal(document: Document, folder: Path) -> str:
    """The sentence with which a day refuses to start; nothing of the book exists then."""
    with pytest.raises(Misconfigured) as refused:
        play_day(saved(document, folder), MONDAY, "paper", "manual", settings_in(folder / "home", mlflow_uri=NO_MLFLOW))
    message = refused.value.message
    assert message.endswith(".") and "\n" not in message and "pydantic" not in message
    assert not (folder / "home" / "broker").exists()
    if ledger_file(folder / "home", "paper").exists():
        assert Ledger(ledger_file(folder / "home", "paper")).books() == []
    return message


def shown(key: str) -> str:
    """A key as a refusal names it: instruments are counted."""
    return key.replace("instruments.", "instruments.0.")


# what is wrong is refused


def test_the_seed_strategy_and_its_cheap_copy_load(tmp_path: Path) -> None:
    assert wiring.load_strategy("sp500_svc", Settings()).name == "sp500_svc"
    assert load(seed(), tmp_path).model.estimator == "sklearn.linear_model.LogisticRegression"


@pytest.mark.parametrize("table", ["", "market.", "market.instruments.", "features.", "target.", "model.", "gate."])
def test_an_unknown_key_is_refused_by_name(table: str, tmp_path: Path) -> None:
    assert f"{shown(table)}colour is not a key of a strategy file" in refusal(with_key(seed(), f"{table}colour", 1), tmp_path)


def test_an_unknown_key_of_every_other_table_is_refused_too(tmp_path: Path) -> None:
    for table in ("sizing", "costs", "limits", "broker"):
        assert f"{table}.colour is not a key" in refusal(with_key(seed(), f"{table}.colour", "red"), tmp_path)
    assert "colours is not a key" in refusal({**seed(), "colours": {"red": 1}}, tmp_path)


@pytest.mark.parametrize("key", sorted(key for key, info in FIELDS.items() if info.is_required()))
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    assert f"{shown(key)} is missing" in refusal(with_key(seed(), key, None), tmp_path)


@pytest.mark.parametrize("table", ["market", "features", "target", "model", "gate", "sizing", "costs", "limits", "broker"])
def test_a_missing_table_is_named(table: str, tmp_path: Path) -> None:
    assert f"{table} is missing" in refusal(with_key(seed(), table, None), tmp_path)


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_a_value_of_the_wrong_type_is_refused_with_key_and_value(key: str, tmp_path: Path) -> None:
    wrong = "wrong" if key in ("features.columns", "model.params") else [[1]]
    message = refusal(with_key(seed(), key, wrong), tmp_path)
    assert f"{shown(key)} was {wrong!r}, allowed: " in message


def out_of_range() -> Iterator[tuple[str, float, str]]:
    """For each bound of each numeric key: a value just beyond it, and the bound as it is written."""
    for key, info in FIELDS.items():
        for rule in info.metadata:
            for name, by in (("gt", 0), ("lt", 0), ("ge", -1), ("le", 1)):
                bound = getattr(rule, name, None)
                if bound is not None:
                    step = 1 if info.annotation is int else 1e-6 * max(1.0, float(bound))
                    value = float(bound) + by * step
                    yield key, int(value) if info.annotation is int else value, f"{float(bound):.0f}"


@pytest.mark.parametrize(("key", "value", "bound"), list(out_of_range()))
def test_a_number_beyond_its_bound_is_refused_with_key_value_and_bound(
    key: str, value: float, bound: str, tmp_path: Path
) -> None:
    said, _, allowed = refusal(with_key(seed(), key, value), tmp_path).partition(", allowed: ")
    assert f"{key} was {value!r}" in said
    assert bound in allowed.replace(",", "") or f"{float(bound):.1E}" in allowed


NUMERIC = sorted({key for key, _, _ in out_of_range()})


def test_numeric_keys_are_those_that_have_bounds() -> None:
    numeric = {key for key, info in FIELDS.items() if getattr(info.annotation, "__name__", "") in ("int", "float", "Decimal")}
    assert set(NUMERIC) == numeric
    assert len(NUMERIC) > 15


@pytest.mark.parametrize("key", NUMERIC)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(key: str, value: float, tmp_path: Path) -> None:
    assert f"{key} was {value!r}, allowed: " in refusal(with_key(seed(), key, value), tmp_path)


@pytest.mark.parametrize("key", ["market.instruments.signal", "market.instruments.prices"])
@pytest.mark.parametrize("symbol", ["", "gspc", "GS PC", "^^GSPC", "A;B", "../etc", "TOOLONGX", "'x'"])
def test_a_bad_data_symbol_is_refused(key: str, symbol: str, tmp_path: Path) -> None:
    assert f"{shown(key)} was {symbol!r}, allowed: " in refusal(with_key(seed(), key, symbol), tmp_path)


@pytest.mark.parametrize("symbol", ["^GSPC", "", "spy", "SPY\n", "SPY "])
def test_a_bad_order_symbol_is_refused(symbol: str, tmp_path: Path) -> None:
    document = with_key(seed(), "market.instruments.instrument", symbol)
    assert f"market.instruments.0.instrument was {symbol!r}, allowed: " in refusal(document, tmp_path)


@pytest.mark.parametrize(
    "estimator",
    ["os.system", "builtins.eval", "sklearnx.svm.SVC", "sklearn.svm.svc", "SVC", "sklearn..SVC", "", "xgboost.XGBClassifier"],
)
def test_an_estimator_outside_the_allowed_packages_is_refused(estimator: str, tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "model.estimator", estimator), tmp_path)
    assert f"model.estimator was {estimator!r}, allowed: " in message and "sklearn" in message


@pytest.mark.parametrize("estimator", ["sklearn.svm.Nothing", "sklearn.nothing.SVC", "sklearn.svm.SVR"])
def test_an_estimator_that_does_not_exist_or_is_no_classifier_is_refused(estimator: str, tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "model.estimator", estimator), tmp_path)
    assert f"model.estimator was {estimator!r}, allowed: " in message and "classifier" in message


def test_a_parameter_that_the_estimator_has_not_or_does_not_take_is_refused(tmp_path: Path) -> None:
    assert "model.params.colour was 1, allowed: one of C, " in refusal(with_key(seed(), "model.params.colour", 1), tmp_path)
    assert "model.params.C was -1, allowed: " in refusal(with_key(seed(), "model.params.C", -1), tmp_path)


def test_an_unknown_feature_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "features.columns", ["high_minus_low", "tomorrow"]), tmp_path)
    assert message == "features.columns was 'tomorrow', allowed: open_minus_close, high_minus_low."
    assert "features.columns was [], allowed: " in refusal(with_key(seed(), "features.columns", []), tmp_path)


def test_a_feature_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    assert "features.columns was " in refusal(with_key(seed(), "features.columns", ["high_minus_low"] * 2), tmp_path)


@pytest.mark.parametrize("capital", [0, -1, -0.01, "nothing", True])
def test_a_capital_that_is_no_positive_amount_is_refused(capital: object, tmp_path: Path) -> None:
    assert f"capital was {capital!r}, allowed: " in refusal(with_key(seed(), "capital", capital), tmp_path)


def test_a_currency_that_the_source_does_not_quote_in_is_refused(tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "market.currency", "EUR"), tmp_path)
    assert message == "market.currency was 'EUR', allowed: USD, as sample quotes in it."


@pytest.mark.parametrize("calendar", ["XXXX", "", "NYSE please"])
def test_a_calendar_that_does_not_exist_is_refused(calendar: str, tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "market.calendar", calendar), tmp_path)
    assert f"calendar was {calendar!r}, allowed: " in message and "XNYS" in message


@pytest.mark.parametrize("key", ["instrument", "instrument_id"])
def test_two_instruments_need_names_and_ids_of_their_own(key: str, tmp_path: Path) -> None:
    document = two_instruments(seed())
    rows = document["market"]["instruments"]
    rows[1][key] = rows[0][key]
    message = refusal(document, tmp_path)
    assert "market.instruments was " in message and f"a distinct {key} for each" in message


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    message = refusal(with_key(with_key(seed(), "capital", -1), "model.train_fraction", 2), tmp_path)
    assert "capital was -1" in message and "model.train_fraction was 2" in message


@pytest.mark.parametrize("content", [b"capital = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused_with_the_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="is not a TOML file") as refused:
        wiring.load_strategy(str(path), settings_in(tmp_path / "home"))
    assert str(path) in refused.value.message and "\n" not in refused.value.message


def test_a_name_without_a_file_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    saved(seed(), tmp_path)
    here = Settings(home=tmp_path / "home", strategies=tmp_path)
    with pytest.raises(Misconfigured, match=r"strategy was 'nothing', allowed: .*: strategy\.$"):
        wiring.load_strategy("nothing", here)


# every key changes the answer


@dataclass(frozen=True)
class Row:
    """Another valid value of a key, and where it shows: with what `beside` it, over which sessions, without whose bar."""

    value: object
    beside: Mapping[str, object] = field(default_factory=dict)
    sessions: tuple[date, ...] = (MONDAY,)
    absent: tuple[str, date] | None = None
    instruments: int = 1


DAILY = {"model.retrain": "daily"}
FRACTIONS = {"sizing.increment": 0.001}
TWO = (MONDAY, TUESDAY)
LONGER = (MONDAY, TUESDAY, THURSDAY)
EXAMPLES: dict[str, Row] = {
    "name": Row("another"),
    "capital": Row(50_000),
    "market.source": Row("another"),
    "market.calendar": Row("XLON"),
    "market.currency": Row("EUR"),
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
    "sizing.buffer": Row(0.5),
    "sizing.rebalance_band": Row(0.0, FRACTIONS, TWO),
    "sizing.increment": Row(0.001),
    "costs.commission_bps": Row(20.0, sessions=TWO),
    "costs.commission_per_share": Row(0.5, sessions=TWO),
    "costs.commission_min": Row(100.0, sessions=TWO),
    "costs.slippage_bps": Row(20.0, sessions=TWO),
    "limits.max_order_notional": Row(1000.0),
    "limits.max_position_share": Row(0.5),
    "broker.name": Row("another"),
    "broker.account": Row("another"),
    "broker.time_in_force": Row("day"),
}


def two_instruments(document: Document) -> Document:
    changed = deepcopy(document)
    row = {"signal": "^IXIC", "instrument": "IXSIM", "instrument_id": "sim-nasdaq", "prices": "^IXIC"}
    changed["market"]["instruments"].append(row)
    return changed


def source_without(symbol: str, session: date) -> type[SampleSource]:
    class Late(SampleSource):
        """A source where one bar has not come."""

        def fetch_bars(self, *args: Any, **kwargs: Any) -> pd.DataFrame:
            bars = super().fetch_bars(*args, **kwargs)
            late = (bars[Bars.symbol] == symbol) & (bars[Bars.session] == pd.Timestamp(session))
            return bars[~late].reset_index(drop=True)

    return Late


def answer(document: Document, row: Row, folder: Path) -> object:
    """What a short run decides, orders, fills and is worth, or the refusal. Hashes of the file are left out."""
    here = settings_in(folder / "home", mlflow_uri=NO_MLFLOW)
    path = saved(document, folder)
    with pytest.MonkeyPatch.context() as patch:
        if row.absent:
            patch.setitem(wiring.SOURCES, "sample", source_without(*row.absent))
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
    name = repr((dict(row.beside), row.sessions, row.absent, row.instruments))
    if name not in BASES:
        BASES[name] = answer(base_of(row), row, tmp_path_factory.mktemp("base"))
    return BASES[name]


def test_every_key_of_the_strategy_file_has_a_row_and_no_row_is_without_its_key() -> None:
    assert sorted(EXAMPLES) == sorted(FIELDS)


@pytest.mark.parametrize(("key", "base_answer"), list(EXAMPLES.items()), indirect=["base_answer"], ids=list(EXAMPLES))
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
