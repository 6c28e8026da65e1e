"""The table [search] of a strategy file: what is tried, and on what."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, Tag, field_validator, model_validator

from schemas.section import Section

SEARCHABLE = r"^model\.(scaler|params\.[a-zA-Z_][a-zA-Z0-9_]*)$"
"""Keys that a search may vary, beside features and thresholds."""


class Range(Section):
    """The numbers from `low` to `high`; whole numbers where both are."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low below high, were {self.low} and {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log with low above 0 and without a step")
        if self.whole and isinstance(self.step, float):
            raise ValueError("a whole step between whole numbers")
        return self

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Choice = StrictBool | StrictInt | StrictFloat | StrictStr
Choices = Annotated[tuple[Choice, ...], Field(min_length=1)]
Searched = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("list")],
    Discriminator(lambda given: "range" if isinstance(given, dict | Range) else "list"),
]


def _flat(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict) and not value.keys() & Range.model_fields.keys():
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class Search(Section):
    """What `nightdesk optimise` tries. No part of what trades: it is not in the strategy's hash."""

    params: dict[str, Searched] = Field(default_factory=dict, description="Ranges and lists by key, as model.params.C.")
    features: tuple[tuple[str, ...], ...] = Field((), description="Alternatives for features.columns.")
    thresholds: tuple[float, ...] = Field((), description="Alternatives for signal.threshold; each fit is judged at all of them.")
    score: Literal["sharpe", "accuracy"] = Field("sharpe", description="What a trial is judged by.")
    folds: int = Field(5, ge=2, le=20, description="Folds in time.")
    embargo_sessions: int = Field(5, ge=0, le=252, description="Sessions after a tested fold that do not train.")
    holdout_fraction: float = Field(0.2, gt=0, le=0.5, description="Share of the newest sessions that no trial sees.")
    prune: bool = Field(False, description="Whether a draw that is below the median of the others is given up after a fold.")
    seed: int = Field(0, ge=0, le=2**31, description="Another seed draws others.")

    @field_validator("params", mode="before")
    @classmethod
    def _by_key(cls, given: object) -> object:
        """`model.params.C = ...` without quotes is a table in a table to TOML."""
        return dict(_flat(given, "")) if isinstance(given, dict) else given

    @field_validator("params")
    @classmethod
    def _searchable(cls, params: dict[str, Searched]) -> dict[str, Searched]:
        for key, values in params.items():
            if not re.match(SEARCHABLE, key):
                raise ValueError(f"keys as model.params.C, or model.scaler, was {key}")
            if isinstance(values, tuple) and len(set(map(repr, values))) != len(values):
                raise ValueError(f"each value of {key} once")
        return params

    @field_validator("features", "thresholds")
    @classmethod
    def _distinct(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) != len(values) or () in values:
            raise ValueError("each alternative once, none empty")
        return values
