"""A backtest as the page that stands alone."""

from pathlib import Path

from nightdesk.backtest.report import DEFLATED, GATE, SENTENCES, facts, restriction_words, warnings_of
from nightdesk.backtest.run import Backtest
from nightdesk.errors import Misconfigured
from nightdesk.performance.metrics import benchmark_returns, session_returns
from nightdesk.performance.page.rendering import page
from nightdesk.performance.page.tearsheet import REPEATS, Tearsheet, Trading, tearsheet

BENCHMARK = "buy and hold"
LEAST_SESSIONS = 2
SAID = ("accuracy", DEFLATED, "overfitting")
"""Gates that the page says in its first paragraph; that on return it says by itself."""


def page_path(made: Backtest, home: Path) -> Path:
    """Where the page goes unless it is told: one file for a strategy's text and range."""
    return home / "reports" / "backtest" / made.strategy.name / f"{made.first}_{made.last}_{made.strategy.sha256[:8]}.html"


def sheet_of(made: Backtest) -> Tearsheet:
    """The numbers of a backtest's page. Raises `Misconfigured` where there is no return to show."""
    if len(made.equity) < LEAST_SESSIONS:
        raise Misconfigured(f"A page needs {LEAST_SESSIONS} sessions or more: this backtest has {len(made.equity)}.")
    trading = Trading(
        currency=made.strategy.market.currency,
        equity=made.equity,
        fills=made.fills,
        folds=made.folds,
        findings=made.findings,
        facts=tuple(row for row in facts(made) if row[0] != "Evidence" and not row[0].startswith(GATE)),
        says=(*(SENTENCES[gate.name](gate) for gate in made.evidence if gate.name in SAID), *restriction_words(made)),
        gates=made.evidence,
        opens=made.opens,
        restrictions=made.restrictions,
    )
    shown = [text for text in warnings_of(made) if not any(row.code == REPEATS and row.message in text for row in made.findings)]
    returns, held = session_returns(made.equity), benchmark_returns(made.equity)
    return tearsheet(made.strategy.name, returns, held, benchmark_name=BENCHMARK, notes=shown, trading=trading)


def page_text(made: Backtest) -> str:
    """The page, "" for a single session, which has no return to show."""
    return page(sheet_of(made)) if len(made.equity) >= LEAST_SESSIONS else ""
