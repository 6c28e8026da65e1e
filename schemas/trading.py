"""The tables of a strategy file from a weight to a fill: quantities, costs, limits, and the broker who takes the order."""

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from schemas.section import Identifier, Section


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
