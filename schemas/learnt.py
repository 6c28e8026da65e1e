"""The tables of a strategy file that a model needs: what it sees, what it predicts, how it is fitted, what it must show."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from schemas.section import Parameter, Section

ESTIMATOR_PACKAGES = ("sklearn",)
"""Packages whose estimators may be named: a strategy file must not be able to import anything it likes."""
ESTIMATOR_PATH = rf"^({'|'.join(ESTIMATOR_PACKAGES)})(\.[a-z][a-z0-9_]*)+\.[A-Z][A-Za-z0-9]*$"


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
