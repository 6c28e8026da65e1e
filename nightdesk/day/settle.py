"""Step 3: what happened since. Start-up, recovery and reconciliation in one."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.missed import rebuild_missed
from nightdesk.errors import OutOfSync
from nightdesk.features.panels import adjusted_bars
from nightdesk.ledger.book import cash, holdings
from nightdesk.orders.recover import recover
from nightdesk.orders.splits import Splits
from nightdesk.performance.benchmark import buy_and_hold
from schemas import identities
from schemas.bars import Bars
from schemas.money import decimal
from schemas.records import BookState, Mark
from schemas.strategy import Strategy


@step("settle")
def settle_books(day: Day, bars: pd.DataFrame) -> BookState:
    """Corporate actions, fills and cash since the last session, then marks at the close; broker = ledger, or stop.

    The first session of a book opens it with its capital. Sessions since the last mark are marked late, and what would have
    been decided after them is rebuilt for the record. Raises `OutOfSync`
    where the broker's positions or cash, or an accounting identity, do not agree with the ledger; what changed from outside also
    halts the book.
    """
    desk = day.desk
    recover(desk, day.session, _splits(day, bars))
    _mark(day, bars)
    rebuild_missed(day)
    return day.book_state()


def _splits(day: Day, bars: pd.DataFrame) -> Splits:
    """The splits of the bars that the book's last mark does not have yet."""
    marked = day.desk.ledger.marks(day.desk.book.book_id)
    begin = pd.Timestamp(marked[-1].session if marked else day.desk.book.opened or day.session)
    shown = bars[(bars[Bars.session] > begin) & (bars[Bars.session] <= pd.Timestamp(day.session)) & (bars[Bars.split] != 1.0)]
    return {
        row.instrument: {
            stamp.date(): decimal(factor)
            for stamp, symbol, factor in zip(shown[Bars.session], shown[Bars.symbol], shown[Bars.split], strict=True)
            if symbol == row.prices
        }
        for row in day.desk.strategy.market.instruments
    }


def _mark(day: Day, bars: pd.DataFrame) -> None:
    """Value the book at the close of every session since its last mark, and check the identities."""
    desk, book_id = day.desk, day.desk.book.book_id
    book = desk.ledger.book(book_id)
    marked = desk.ledger.marks(book_id)
    begin = marked[-1].session if marked else None
    positions, flows = desk.ledger.position_events(book_id), desk.ledger.cash_events(book_id)
    closes = instrument_panel(day.desk.strategy, bars, Bars.close).ffill()
    opened = book.opened if book and book.opened else day.session
    benchmark = benchmark_values(day.desk.strategy, bars, opened, float(day.desk.book.capital))
    made = []
    for stamp in benchmark.index:
        session = stamp.date()
        if begin is not None and session <= begin:
            continue
        held = holdings(event for event in positions if event.session <= session)
        prices = {name: decimal(closes.at[stamp, name]) for name in held}
        value = decimal(sum((held[name] * prices[name] for name in held), Decimal(0)))
        money = cash(event for event in flows if event.session <= session)
        flow = cash(event for event in flows if event.session == session and event.kind == "deposit")
        mark = Mark(book_id, session, money, value, money + value, flow, decimal(benchmark[stamp]), session < day.session)
        _require_identities(identities.equity_is_cash_plus_positions(mark, held, prices))
        made.append(mark)
    fills = desk.ledger.fills(book_id)
    _require_identities(
        [
            *identities.cash_is_never_negative(made),
            *identities.holdings_are_fills(positions, fills),
            *identities.cash_is_fills_and_flows(flows, fills),
            *identities.rounding_is_cents(flows),
            *identities.fills_stay_within_orders(desk.ledger.orders(book_id), fills),
        ]
    )
    desk.ledger.append_marks(made)


def _require_identities(broken: list[str]) -> None:
    if broken:
        raise OutOfSync(f"The books do not add up: {'; '.join(broken)}.", broken=broken)


def instrument_panel(strategy: Strategy, bars: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sessions x instruments of one column of the bars that price them."""
    listed: Mapping[str, str] = {row.instrument: row.prices for row in strategy.market.instruments}
    wide = bars.pivot(index=Bars.session, columns=Bars.symbol, values=column)
    return wide[list(listed.values())].set_axis(list(listed), axis=1)


def benchmark_values(strategy: Strategy, bars: pd.DataFrame, opened: date, capital: float) -> pd.Series:
    """Value at each close of buying and holding the strategy's instruments from `opened` on, after its costs."""
    costs = strategy.costs
    adjusted = adjusted_bars(bars)
    since = adjusted[adjusted[Bars.session] >= pd.Timestamp(opened)]
    opens, closes = instrument_panel(strategy, since, Bars.open), instrument_panel(strategy, since, Bars.close)
    return buy_and_hold(opens, closes, capital, costs.commission_bps + costs.slippage_bps)
