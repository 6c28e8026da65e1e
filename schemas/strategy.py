"""The strategy file: what a user edits. Frozen; unknown keys are refused."""

import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from schemas.learnt import Features, Gate, Model, Target
from schemas.search import Search
from schemas.section import Identifier, Parameter, Section
from schemas.trading import Broker, Costs, Limits, Sizing

DATA_SYMBOL = r"^\^?[A-Z][A-Z0-9]{0,5}([.\-][A-Z]{1,2})?$"
ORDER_SYMBOL = r"^[A-Z][A-Z0-9]{0,5}([.\-][A-Z]{1,2})?$"
LONGEST_CODE = 100_000
"""Characters of a strategy's own file: each decision carries it."""

SourceName = Literal["sample", "csvdir", "yahoo", "alpaca"]
DataSymbol = Annotated[str, StringConstraints(pattern=DATA_SYMBOL)]
OrderSymbol = Annotated[str, StringConstraints(pattern=ORDER_SYMBOL)]
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


class Expected(Section):
    """Live against expected."""

    tolerance_bps: float = Field(
        50.0, ge=0, le=10_000, description="A session whose gap is larger, in basis points of equity, sends a notice."
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
