"""A session's gap in parts: each part alone, worked out by hand, and all of them together."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nightdesk.performance.attribution import PARTS, Modelled, Played, expected_profit, gap_parts
from schemas.records import CashEvent, Fill, PositionEvent

DAY = date(2024, 3, 4)
D = Decimal


def fill(quantity: str, price: str, commission: str = "0", order: str = "o", name: str = "SPY") -> Fill:
    return Fill(f"{order}-1", order, "b", DAY, name, D(quantity), D(price), D(commission), D(0))


def paid(kind: Any, amount: str) -> CashEvent:
    return CashEvent(f"{kind}{amount}", "b", DAY, kind, D(amount), "USD")


def moved(kind: Any, quantity: str, name: str = "SPY") -> PositionEvent:
    return PositionEvent(f"{kind}{quantity}", "b", DAY, name, kind, D(quantity))


def buys(quantity: str, price: str, commission: str) -> dict[str, Modelled]:
    return {"SPY": Modelled(D(quantity), D(price), D(commission))}


# 10 shares are held, the close went from 100 to 103; 5 more were ordered, the open was 101, the model pays 101.10 and 0.50.
# Expected: 10 x 3 + 5 x (103 - 101.10) - 0.50 = 30 + 9.50 - 0.50 = 39. It went so: the marks show 39.
AS_EXPECTED = Played(
    profit=D("39.00"),
    held={"SPY": D(10)},
    before={"SPY": D(100)},
    closes={"SPY": D(103)},
    positions=(moved("fill", "5"),),
    cash=(paid("trade", "-505.50"), paid("commission", "-0.50")),
    fills=(fill("5", "101.10", "0.50"),),
    own=frozenset({"o"}),
    now=buys("5", "101.10", "0.50"),
    then=buys("5", "101.10", "0.50"),
    done=buys("5", "101.10", "0.50"),
)


def parts_of(played: Played) -> dict[str, Decimal]:
    """The parts that are not 0, after the sum of all was compared with the gap."""
    parts = gap_parts(played)
    assert tuple(parts) == PARTS
    assert sum(parts.values(), D(0)) == played.profit - expected_profit(played)
    return {name: value for name, value in parts.items() if value}


def test_a_session_that_went_as_the_model_has_it_has_no_gap() -> None:
    assert expected_profit(AS_EXPECTED) == D(39)
    assert parts_of(AS_EXPECTED) == {}


def test_a_close_that_was_restated_after_the_mark_is_data() -> None:
    # marked at 103; the vendor says 103.20 now: 15 shares x 0.20
    assert parts_of(replace(AS_EXPECTED, closes={"SPY": D("103.20")})) == {"data": D("-3.00")}


def test_a_decision_that_would_be_another_one_is_the_decision() -> None:
    # 8 shares would be ordered now, for 0.80: 3 more x (103 - 101.10) - 0.30 were missed
    assert parts_of(replace(AS_EXPECTED, now=buys("8", "101.10", "0.80"))) == {"decision": D("-5.40")}


def test_a_fill_away_from_the_models_price_is_slippage() -> None:
    # 101.60 instead of 101.10
    played = replace(
        AS_EXPECTED,
        profit=D("36.50"),
        fills=(fill("5", "101.60", "0.50"),),
        cash=(paid("trade", "-508.00"), paid("commission", "-0.50")),
    )
    assert parts_of(played) == {"slippage": D("-2.50")}


def test_commissions_fees_and_cents_beside_the_models_are_fees() -> None:
    # 1.25 instead of 0.50, a fee of 0.03, a cent gained
    played = replace(
        AS_EXPECTED,
        profit=D("38.23"),
        fills=(fill("5", "101.10", "1.25"),),
        cash=(paid("trade", "-505.50"), paid("commission", "-1.25"), paid("fee", "-0.03"), paid("rounding", "0.01")),
    )
    assert parts_of(played) == {"fees": D("-0.77")}


def test_what_was_not_filled_of_the_orders_is_skipped() -> None:
    # rejected: 5 x (103 - 101.10) - 0.50 = 9 were not made
    nothing: dict[str, Any] = {"positions": (), "cash": (), "fills": ()}
    assert parts_of(replace(AS_EXPECTED, profit=D(30), done={}, **nothing)) == {"skipped": D("-9.00")}
    # 2 of 5 filled, with 0.20 of commission: 3 x 1.90 - 0.30 were not made
    part = replace(
        AS_EXPECTED,
        profit=D("33.60"),
        positions=(moved("fill", "2"),),
        cash=(paid("trade", "-202.20"), paid("commission", "-0.20")),
        fills=(fill("2", "101.10", "0.20"),),
        done=buys("2", "101.10", "0.20"),
    )
    assert parts_of(part) == {"skipped": D("-5.40")}


def test_an_order_of_another_decision_that_fills_today_is_timing() -> None:
    # an order that was meant for yesterday fills today: 4 at 102, 0.40: 4 x (103 - 102) - 0.40
    late = replace(
        AS_EXPECTED,
        profit=D("42.60"),
        positions=(moved("fill", "5"), moved("fill", "4")),
        cash=(*AS_EXPECTED.cash, paid("trade", "-408.00"), paid("commission", "-0.40")),
        fills=(*AS_EXPECTED.fills, fill("4", "102", "0.40", order="late")),
    )
    assert parts_of(late) == {"timing": D("3.60")}


def test_a_dividend_that_comes_later_is_timing_both_ways() -> None:
    # 10 shares x 0.50 on the ex-date, not paid yet; then paid
    owed = replace(AS_EXPECTED, paid=D("5.00"))
    assert (expected_profit(owed), parts_of(owed)) == (D("44.00"), {"timing": D("-5.00")})
    came = replace(AS_EXPECTED, profit=D("44.00"), cash=(*AS_EXPECTED.cash, paid("dividend", "5.00")))
    assert parts_of(came) == {"timing": D("5.00")}


def test_a_split_that_is_booked_with_its_bar_is_no_gap() -> None:
    # 10 shares at 100 become 20 at 51.50: 20 x 51.50 - 10 x 100 = 30
    split = Played(
        profit=D("30.00"),
        held={"SPY": D(10)},
        before={"SPY": D(100)},
        closes={"SPY": D("51.50")},
        positions=(moved("split", "10"),),
        shares={"SPY": D(10)},
    )
    assert (expected_profit(split), parts_of(split)) == (D(30), {})


def test_what_a_person_traded_beside_the_desk_is_outside_and_a_deposit_is_nothing() -> None:
    # 2 shares bought by hand for 204 and taken over: 2 x 103 - 204; 1,000 came in, and is no profit
    adopted = replace(
        AS_EXPECTED,
        profit=D("41.00"),
        positions=(*AS_EXPECTED.positions, moved("adoption", "2")),
        cash=(*AS_EXPECTED.cash, paid("adoption", "-204"), paid("deposit", "1000")),
    )
    assert parts_of(adopted) == {"outside": D("2.00")}


amounts = st.decimals(-1000, 1000, places=9)
prices = st.decimals(1, 1000, places=4)
sizes = st.decimals(-500, 500, places=3)
models = st.builds(Modelled, quantity=sizes, price=prices, commission=st.decimals(0, 9, places=9))
decided = st.dictionaries(st.sampled_from(["SPY", "QQQ"]), models)
POSITION_KINDS: list[Any] = ["split", "transfer", "adoption", "delisting"]
CASH_KINDS: list[Any] = ["deposit", "fee", "interest", "dividend", "rounding", "split", "adoption"]


@given(st.data())
def test_the_parts_add_up_whatever_happened(data: st.DataObject) -> None:
    names = ["SPY", "QQQ"]
    fills = [
        Fill(str(at), data.draw(st.sampled_from(["own", "other"])), "b", DAY, name, size, price, commission, D(0))
        for at, (name, size, price, commission) in enumerate(
            data.draw(st.lists(st.tuples(st.sampled_from(names), sizes, prices, st.decimals(0, 9, places=9)), max_size=4))
        )
    ]
    events = data.draw(st.lists(st.tuples(st.sampled_from(POSITION_KINDS), st.sampled_from(names), sizes), max_size=4))
    payments = data.draw(st.lists(st.tuples(st.sampled_from(CASH_KINDS), amounts), max_size=5))
    rounding = data.draw(st.decimals(-1, 1, places=9))
    trades = [-row.quantity * row.price - row.commission + rounding for row in fills]
    own = {name: sum((row.quantity for row in fills if (row.order_id, row.instrument) == ("own", name)), D(0)) for name in names}
    opened = [name for name in names if any(row.instrument == name for row in fills) and data.draw(st.booleans())]
    done = {name: replace(data.draw(models), quantity=own[name]) for name in opened}
    closes = {name: data.draw(prices) for name in names}
    before = {name: data.draw(prices) for name in names}
    held = {name: data.draw(sizes) for name in names}
    played = Played(
        profit=data.draw(amounts),
        held=held,
        before=before,
        closes=closes,
        positions=[
            *(PositionEvent(str(at), "b", DAY, name, kind, size) for at, (kind, name, size) in enumerate(events)),
            *(PositionEvent(row.fill_id, "b", DAY, row.instrument, "fill", row.quantity) for row in fills),
        ],
        cash=[
            *(CashEvent(str(at), "b", DAY, kind, amount, "USD") for at, (kind, amount) in enumerate(payments)),
            *(CashEvent(f"t{at}", "b", DAY, "trade", amount, "USD") for at, amount in enumerate(trades)),
        ],
        fills=fills,
        own=frozenset({"own"}),
        now=data.draw(decided),
        then=data.draw(decided),
        done=done,
        shares={name: data.draw(sizes) for name in names},
        paid=data.draw(amounts),
    )
    parts = gap_parts(played)
    assert abs(sum(parts.values(), D(0)) - (played.profit - expected_profit(played))) < D("1e-9")
