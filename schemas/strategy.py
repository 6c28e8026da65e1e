"""The strategy file: what a user edits. Frozen; unknown keys are refused."""

import hashlib
import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from schemas.search import Search
from schemas.section import Section

DATA_SYMBOL = r"^\^?[A-Z][A-Z0-9]{0,5}([.\-][A-Z]{1,2})?$"
ORDER_SYMBOL = r"^[A-Z][A-Z0-9]{0,5}([.\-][A-Z]{1,2})?$"
ESTIMATOR_PACKAGES = ("sklearn",)
"""Packages whose estimators may be named: a strategy file must not be able to import anything it likes."""
LONGEST_CODE = 100_000
"""Characters of a strategy's own file: each decision carries it."""
ESTIMATOR_PATH = rf"^({'|'.join(ESTIMATOR_PACKAGES)})(\.[a-z][a-z0-9_]*)+\.[A-Z][A-Za-z0-9]*$"

SourceName = Literal["sample", "csvdir", "yahoo", "alpaca"]
DataSymbol = Annotated[str, StringConstraints(pattern=DATA_SYMBOL)]
OrderSymbol = Annotated[str, StringConstraints(pattern=ORDER_SYMBOL)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Parameter = bool | int | float | str | list[float] | list[int] | list[str]
FileBeside = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,255}$")]
"""A file's path as seen from the folder of the strategy file."""
Kind = Literal["model", "rule", "weights"]
LEARNT = ("features", "target", "model", "gate")
"""The tables that a strategy with a model must have, and any other must not."""
Table = TypeVar("Table")
if TYPE_CHECKING:
    Learnt = Annotated[Table, "there for who knows that the strategy's kind is model"]
else:
    Learnt = Table | None


class Instrument(Section):
    """What is read and what is traded for it."""

    signal: DataSymbol = Field(description="The data symbol that the features are computed from; may start with ^.")
    instrument: OrderSymbol = Field(description="The symbol that orders name.")
    instrument_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-]{1,64}$")] = Field(
        description="A stable id: it stays when the symbol changes."
    )
    prices: DataSymbol = Field(description="The data symbol whose bars price the instrument.")


class Market(Section):
    """Where bars come from and when the exchange is open."""

    source: SourceName = Field(description="The bar source.")
    second_source: SourceName | None = Field(
        None, description="Asked when the first fails; its closes are compared with the first's."
    )
    second_tolerance: float = Field(
        0.005, ge=0, le=0.5, description="Largest difference of a close between the two sources, as a share of it."
    )
    late_bar_wait_min: float = Field(
        60, ge=0, le=900, description="Minutes to wait for a bar that is late, on a living market; then there is no trade."
    )
    restatement_tolerance: float = Field(
        1e-6, ge=1e-6, le=0.5, description="A stored price that the vendor moves by more, without an action, stops the day."
    )
    calendar: str = Field(description="The exchange calendar, by its ISO 10383 code, as XNYS.")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(description="The book's one currency.")
    min_coverage: float = Field(1.0, gt=0, le=1, description="Share of the symbols that must have today's bar.")
    membership: FileBeside | None = Field(
        None, description="A table (symbol, first, last) of which instrument belongs to the universe when; for a rule."
    )
    instruments: tuple[Instrument, ...] = Field(min_length=1, description="What is read and what is traded.")

    @field_validator("second_source")
    @classmethod
    def _another(cls, second: str | None, info: ValidationInfo) -> str | None:
        if second is not None and second == info.data.get("source"):
            raise ValueError("a source other than the first")
        return second

    @field_validator("instruments")
    @classmethod
    def _distinct(cls, instruments: tuple[Instrument, ...]) -> tuple[Instrument, ...]:
        for key in ("instrument", "instrument_id"):
            names = [getattr(row, key) for row in instruments]
            if len(set(names)) != len(names):
                raise ValueError(f"a distinct {key} for each, were {names}")
        return instruments


class Features(Section):
    """What the model sees."""

    columns: tuple[str, ...] = Field(min_length=1, description="Names of features, in the order the model sees them.")

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(columns)) != len(columns):
            raise ValueError("each feature once")
        return columns


class Target(Section):
    """What the model learns to predict."""

    name: Literal["close_up", "open_up"] = Field(
        description="close_up: the close `horizon` sessions on is above today's. open_up: open to open, from the next open."
    )
    horizon_sessions: int = Field(1, ge=1, le=252, description="How many sessions ahead.")


class Model(Section):
    """Which estimator, how it is split, when it is fitted again."""

    estimator: Annotated[str, StringConstraints(pattern=ESTIMATOR_PATH)] = Field(
        description=f"Import path of an estimator from: {', '.join(ESTIMATOR_PACKAGES)}."
    )
    params: dict[str, Parameter] = Field(default_factory=dict, description="The estimator's own parameters.")
    scaler: Literal["standard", "robust", "none"] = Field("standard", description="What scales the features first.")
    train_fraction: float = Field(0.8, gt=0, lt=1, description="Share of the labelled sessions to train on, in time.")
    min_train_sessions: int = Field(252, ge=20, description="Fewer sessions than these in the training part: no fit.")
    retrain: Literal["daily", "weekly", "monthly", "quarterly", "yearly"] = Field(
        "monthly", description="Due when no fit was attempted with its cut-off in this period."
    )
    max_age_sessions: int = Field(63, ge=1, description="A champion older than these sessions does not trade.")
    deploy: Literal["as_tested", "refit_all"] = Field(
        "as_tested", description="Trade the fit that was tested, or one refitted on everything (untested)."
    )


class Gate(Section):
    """What a fit must show before it may trade."""

    min_test_accuracy: float = Field(0.5, ge=0, le=1, description="The test accuracy must be above this.")
    on_fail: Literal["no_trade", "keep_champion"] = Field("no_trade", description="What a failed gate means.")
    max_outlier_mad: float | None = Field(
        None, ge=0, le=1_000_000, description="A feature farther outside of its training range, in robust deviations, is held."
    )
    require: tuple[Literal["accuracy"], ...] = Field(
        (), description="Honest gates that a fit must pass as well; accuracy: better than the training majority, at 5 %."
    )

    @field_validator("require")
    @classmethod
    def _each_once(cls, require: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(require)) != len(require):
            raise ValueError("each gate once")
        return require


class Signal(Section):
    """From what a model says to what is wanted."""

    kind: Literal["long_flat", "long_short"] = Field(
        "long_flat", description="What a prediction that is not up means: nothing held, or a short position."
    )
    threshold: float | None = Field(
        None, ge=-1e6, le=1e6, description="Long where the score is above this; without it the predicted class decides."
    )


class Rule(Section):
    """A rule from bars to target weights, in place of a model."""

    name: Identifier = Field(description="The name of a rule in nightdesk/signals.")
    params: dict[str, Parameter] = Field(default_factory=dict, description="The rule's own parameters.")


class WeightsTable(Section):
    """Target weights that were made elsewhere."""

    file: FileBeside = Field(description="A CSV or Parquet file with the columns session, symbol and weight.")


class Sizing(Section):
    """From a weight to a quantity."""

    buffer: float = Field(0.02, ge=0, lt=1, description="Share of equity that is never invested, for the gap at the open.")
    rebalance_band: float = Field(
        0.05, ge=0, le=1, description="With an unchanged target, trade only above this drift (share of equity)."
    )
    increment: float = Field(1.0, gt=0, le=1_000_000, description="Smallest step of a quantity; 1 is whole shares.")


class Costs(Section):
    """What a fill costs."""

    commission_bps: float = Field(1.0, ge=0, le=1000, description="Commission, basis points of the traded value.")
    commission_per_share: float = Field(0.0, ge=0, le=100, description="Commission a share, in currency.")
    commission_min: float = Field(0.0, ge=0, le=1000, description="Least commission of an order, in currency.")
    commission_per_order: float = Field(0.0, ge=0, le=1000, description="Commission of an order whatever its size, in currency.")
    commission_max: float | None = Field(None, ge=0, le=1_000_000, description="Most commission of an order, in currency.")
    slippage_bps: float = Field(1.0, ge=0, le=1000, description="How much worse than the open a fill is, basis points.")
    max_bar_volume_share: float | None = Field(
        None, gt=0, le=1, description="Most of the fill session's volume that an order gets; the rest expires."
    )
    price_impact: float = Field(
        0.0, ge=0, le=0.5, description="A fill moves its price by this times the square of its share of the session's volume."
    )

    @field_validator("commission_max")
    @classmethod
    def _not_below_the_least(cls, most: float | None, info: ValidationInfo) -> float | None:
        if most is not None and most < info.data.get("commission_min", 0.0):
            raise ValueError("commission_min or more")
        return most


class Limits(Section):
    """Checked on the final request, immediately before it leaves; the last four on the book, at each close."""

    model_config = ConfigDict(strict=True)

    max_order_quantity: float = Field(1_000_000, gt=0, le=1e12, description="Most shares of one order.")
    max_order_notional: float = Field(gt=0, description="Largest value of one order, in currency.")
    max_order_share: float = Field(1.0, gt=0, le=10, description="Largest value of an order that does not reduce, of equity.")
    max_position_share: float = Field(1.0, gt=0, le=10, description="Largest position, as a share of equity.")
    max_volume_share: float = Field(0.1, gt=0, le=1, description="Largest order, as a share of the average volume.")
    price_collar: float = Field(
        0.1, gt=0, le=1, description="How far the price an order was sized at may be from the last close, as a share of it."
    )
    max_buying_power_share: float = Field(1.0, gt=0, le=1, description="Share of the buying power that buys may spend.")
    allow_short: bool = Field(False, description="Whether a position may fall below zero.")
    max_orders_per_instrument: int = Field(2, ge=1, le=100, description="Most orders of one instrument for one open.")
    max_orders_per_day: int = Field(500, ge=1, le=10_000, description="Most orders of the account for one open.")
    max_data_age_h: float = Field(120, gt=0, le=1000, description="Hours from the last bar's close to the order's leaving.")
    max_daily_loss: float = Field(0.1, gt=0, le=1, description="A larger loss of one session halts the book.")
    max_drawdown: float = Field(0.5, gt=0, le=1, description="A larger drawdown closes the book's positions.")
    max_losing_sessions: int = Field(20, ge=1, le=1000, description="More sessions of loss in a row halt the book.")
    end_date: date | None = Field(
        None, strict=False, description="The last session that may open positions; after it they are closed."
    )

    @field_validator("end_date", mode="before")
    @classmethod
    def _no_number(cls, end: object) -> object:
        if end is not None and not isinstance(end, date | str):
            raise ValueError("a date as 2018-12-31")
        return end


class Expected(Section):
    """Live against expected."""

    tolerance_bps: float = Field(
        50.0, ge=0, le=10_000, description="A session whose gap is larger, in basis points of equity, sends a notice."
    )


class Broker(Section):
    """Who takes the order."""

    name: Literal["paper", "alpaca"] = Field("paper", description="The broker.")
    account: Identifier | None = Field(None, description="The desk's name for the account; by default that of the strategy.")
    account_number: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,40}$")] | None = Field(
        None, description="The number that the broker gave the account; must be set to go live."
    )
    execution: Literal["automatic", "confirm"] = Field(
        "automatic", description="confirm: no order leaves before a person has consented to it."
    )
    time_in_force: Literal["opg", "day"] = Field(
        "opg", description="opg: at the open or not at all. day: queued to the next open."
    )


_ABSENT: Any = None


class Strategy(Section):
    """A strategy file, whole. Exactly one of `model`, `rule` and `weights` is there; `kind` says which.

    Without a model `features`, `target`, `model` and `gate` are None, whatever their types say.
    """

    name: Identifier = Field(description="The strategy's name; its book is named after it.")
    capital: Decimal = Field(gt=0, le=Decimal(10) ** 12, description="What the book starts with, in its currency.")
    market: Market
    features: Learnt[Features] = _ABSENT
    target: Learnt[Target] = _ABSENT
    model: Learnt[Model] = _ABSENT
    gate: Learnt[Gate] = _ABSENT
    signal: Signal = Signal()
    rule: Rule | None = None
    weights: WeightsTable | None = None
    sizing: Sizing
    costs: Costs
    limits: Limits
    broker: Broker
    expected: Expected = Expected()
    search: Search | None = None
    own_code: str | None = Field(
        None, max_length=LONGEST_CODE, description="The text of the strategy's own file, NAME.py beside it; the desk reads it in."
    )

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name == "unattributed":
            raise ValueError("another name: unattributed is the book of what no strategy holds")
        return name

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        there = [name for name in LEARNT if getattr(self, name) is not None]
        others = [name for name in ("rule", "weights") if getattr(self, name) is not None]
        if not others and (absent := [name for name in LEARNT if name not in there]):
            whole = "" if there else ", as are rule and weights: a strategy has one of the three kinds"
            raise ValueError(f"{', '.join(absent)} is missing{whole}")
        if len(others) + bool(there) > 1:
            both = ", ".join(f"[{name}]" for name in (*there, *others))
            raise ValueError(f"{both} stand together, allowed: [features], [target], [model] and [gate], or [rule], or [weights]")
        if others and self.signal != Signal():
            raise ValueError(f"[signal] is for a model, and {self.name} has [{others[0]}]")
        if self.signal.kind == "long_short" and not self.limits.allow_short:
            raise ValueError("signal.kind was 'long_short', allowed: only with limits.allow_short = true")
        if self.signal.kind == "long_short" and (self.signal.threshold or 0.0) < 0:
            raise ValueError(f"signal.threshold was {self.signal.threshold}, allowed: 0 or more with signal.kind = 'long_short'")
        if others and self.search is not None:
            raise ValueError(f"[search] is for a model, and {self.name} has [{others[0]}]")
        if self.market.membership is not None and self.rule is None:
            raise ValueError("market.membership is for a [rule]: models and tables of weights name what they want themselves")
        return self

    @property
    def kind(self) -> Kind:
        """Where the target weights come from."""
        return "rule" if self.rule is not None else "weights" if self.weights is not None else "model"

    @property
    def account(self) -> str:
        """The account that the book belongs to."""
        return self.broker.account or self.name

    @property
    def own_file(self) -> str:
        """The name of the file that `own_code` comes from."""
        return f"{self.name}.py"

    @property
    def data_symbols(self) -> tuple[str, ...]:
        """Every symbol whose bars are needed, sorted."""
        rows = self.market.instruments
        return tuple(sorted({row.signal for row in rows} | {row.prices for row in rows}))

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's meaning, not of its bytes: canonical JSON of every key that is not at its default, but `search`.

        So a key that a later version adds leaves the hashes of older files alone. A default, once published, never changes.
        """
        return _sha256(self.model_dump(mode="json", exclude={"search"}, exclude_defaults=True))

    @property
    def config_sha256(self) -> str:
        """SHA-256 of the configuration that a trial evaluates: every key not at its default but a few.

        They are name, capital, [broker] and [search].
        """
        return _sha256(self.model_dump(mode="json", exclude={"name", "capital", "broker", "search"}, exclude_defaults=True))

    @property
    def target_sha256(self) -> str:
        """SHA-256 of what is traded and predicted: instruments, source and [target]; its trials count together."""
        aimed_at: Any = {"market": {"source", "instruments"}, "target": True}
        return _sha256(self.model_dump(mode="json", include=aimed_at, exclude_defaults=True))

    @property
    def learning_sha256(self) -> str:
        """SHA-256 of the keys that a fit depends on: a model fitted under others is not this strategy's model."""
        market = {"source", "second_source", "calendar", "currency", "min_coverage", "instruments"}
        learnt_from: Any = {"market": market, "features": True, "target": True, "model": True, "gate": True, "own_code": True}
        asked: Any = {"gate": {"max_outlier_mad"}}
        return _sha256(self.model_dump(mode="json", include=learnt_from, exclude=asked, exclude_defaults=True))


def _sha256(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def period_key(retrain: str, session: date) -> tuple[int, ...]:
    """The retraining period that a session lies in; two sessions of one period have equal keys."""
    year, week, _ = session.isocalendar()
    keys = {
        "daily": (session.year, session.month, session.day),
        "weekly": (year, week),
        "monthly": (session.year, session.month),
        "quarterly": (session.year, (session.month - 1) // 3),
        "yearly": (session.year,),
    }
    return keys[retrain]
