"""What MLflow's pages say of a fit and of the experiment of a strategy, in words, with where to go from there."""

from collections.abc import Mapping
from urllib.parse import quote

from nightdesk.settings import Settings
from schemas.records import ModelRef
from schemas.strategy import Strategy

METRICS: Mapping[str, str] = {
    "train_accuracy, test_accuracy": "share of the rows that were predicted right, 0 to 1",
    "train_baseline, test_baseline": "the same share for always saying what was more frequent in training",
    "share_up_test, share_predicted_up_test": "share of the test rows that went up, and for which up was said",
    "n_train, n_test, n_dropped": "rows",
    "gate.*": "the figures of each honest gate; `passed` is 1 or 0, `bound` what is held against its limit",
    "live.equity, live.benchmark": "money after each session in which this fit decided; the step counts the book's sessions",
}


def book_page(book_id: str, here: Settings) -> str:
    """A book's page in the console."""
    return f"{here.console_url}/book?book={quote(book_id, safe='')}"


def fit_words(strategy: Strategy, model: ModelRef, book_id: str, day_page: str, here: Settings) -> str:
    """A fit's description: what it learnt from, how it did, and the pages about it."""
    metrics = model.metrics
    learnt = f"on {model.train_first} to {model.train_last} ({metrics['n_train']:,.0f} rows)"
    lines = [
        f"**{model.estimator.rpartition('.')[2]}** of `{strategy.name}`, fitted after {model.cutoff} {learnt}.",
        f"Right on {metrics['test_accuracy']:.2%} of the {metrics['n_test']:,.0f} test rows from {model.test_first} to "
        f"{model.test_last}; always saying the same {metrics['test_baseline']:.2%}. Gate {model.status}: {model.reason}.",
    ]
    made = [f"[the day that made it]({day_page}) in Prefect"] if day_page else []
    days = f"[all days of the strategy]({here.prefect_url}/runs?tag={quote(strategy.name)}) in Prefect"
    console = f"[the book]({book_page(book_id, here)}) while `nightdesk console` runs"
    return "\n\n".join([*lines, f"Look further: {'; '.join([*made, days, console])}."])


def experiment_words(strategy: Strategy, here: Settings) -> str:
    """An experiment's description: what its runs are, and the unit of each metric."""
    metrics = "\n".join(f"| {names} | {text} |" for names, text in METRICS.items())
    return (
        f"One run for each fit of `{strategy.name}`; the days that a fit decided are points of its `live.` metrics.\n\n"
        "The button *Views* has the columns to read (**Fits**), and for the page of charts **Comparison of fits**. "
        f"Backtests are in `{strategy.name}-backtests`. "
        f"The days are in [Prefect]({here.prefect_url}/runs?tag={quote(strategy.name)}).\n\n"
        f"| metric | what it is |\n|---|---|\n{metrics}"
    )
