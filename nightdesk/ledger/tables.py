"""The ledger's tables. Decimals and instants are kept as text: SQLite would store both as something else."""

import sqlalchemy as sa

from nightdesk.database import DecimalText, Instant

metadata = sa.MetaData()


def _book_id() -> sa.Column[str]:
    return sa.Column("book_id", sa.Text, sa.ForeignKey("books.book_id"), nullable=False, index=True)


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default=default)


books = sa.Table(
    "books",
    metadata,
    sa.Column("book_id", sa.Text, primary_key=True),
    _text("account"),
    _text("mode"),
    _text("strategy"),
    _text("currency"),
    sa.Column("capital", DecimalText, nullable=False),
    sa.Column("opened", sa.Date),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    _book_id(),
    sa.Column("session", sa.Date, index=True),
    _text("origin"),
    sa.Column("orchestrated", sa.Boolean, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    _text("outcome"),
    _text("reason"),
    sa.Column("exit_code", sa.Integer, nullable=False, default=0),
    _text("decision_sha256"),
    sa.Column("detail", sa.JSON, nullable=False),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("model_id", sa.Text, primary_key=True),
    _book_id(),
    _text("estimator"),
    sa.Column("cutoff", sa.Date, nullable=False),
    sa.Column("train_first", sa.Date),
    sa.Column("train_last", sa.Date),
    sa.Column("test_first", sa.Date),
    sa.Column("test_last", sa.Date),
    _text("config_sha256"),
    _text("data_sha256"),
    _text("sha256"),
    _text("file"),
    _text("file_sha256"),
    _text("status"),
    _text("reason"),
    sa.Column("metrics", sa.JSON, nullable=False),
    _text("mlflow_run_id"),
    sa.Column("gates", sa.JSON, nullable=False, server_default="[]"),
)

promotions = sa.Table(
    "promotions",
    metadata,
    sa.Column("promotion_id", sa.Integer, primary_key=True, autoincrement=True),
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("model_id", sa.Text, sa.ForeignKey("models.model_id")),
    _text("reason"),
    sa.UniqueConstraint("book_id", "session", name="one_promotion_a_session"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("execution_session", sa.Date, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    _text("origin"),
    sa.Column("sha256", sa.Text, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("envelope", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    _text("chain_sha256"),
    sa.PrimaryKeyConstraint("book_id", "session", "attempt", name="one_decision_a_session"),
    sa.UniqueConstraint("book_id", "position", name="one_decision_a_position"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", sa.Text, primary_key=True),
    _book_id(),
    sa.Column("decided_session", sa.Date, nullable=False, index=True),
    sa.Column("execution_session", sa.Date, nullable=False),
    _text("instrument"),
    _text("instrument_id"),
    _text("leg"),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("quantity", DecimalText, nullable=False),
    _text("time_in_force"),
    sa.Column("reference_price", DecimalText, nullable=False),
    _text("origin"),
    _text("decision_sha256"),
    _text("status"),
    _text("reason"),
    sa.Column("sent_at", Instant),
)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("fill_id", sa.Text, primary_key=True),
    sa.Column("order_id", sa.Text, sa.ForeignKey("orders.order_id"), nullable=False, index=True),
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    _text("instrument"),
    sa.Column("quantity", DecimalText, nullable=False),
    sa.Column("price", DecimalText, nullable=False),
    sa.Column("commission", DecimalText, nullable=False),
    sa.Column("slippage", DecimalText, nullable=False),
    _text("note"),
)

position_events = sa.Table(
    "position_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    _text("instrument"),
    _text("kind"),
    sa.Column("quantity", DecimalText, nullable=False),
    _text("reference"),
)

cash_events = sa.Table(
    "cash_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    _text("kind"),
    sa.Column("amount", DecimalText, nullable=False),
    _text("currency"),
    _text("reference"),
)

marks = sa.Table(
    "marks",
    metadata,
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("cash", DecimalText, nullable=False),
    sa.Column("positions_value", DecimalText, nullable=False),
    sa.Column("equity", DecimalText, nullable=False),
    sa.Column("flow", DecimalText, nullable=False),
    sa.Column("benchmark", DecimalText),
    sa.Column("marked_late", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("book_id", "session", name="one_mark_a_session"),
)

gaps = sa.Table(
    "gaps",
    metadata,
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("equity", DecimalText, nullable=False),
    sa.Column("expected", DecimalText, nullable=False),
    sa.Column("actual", DecimalText, nullable=False),
    sa.Column("data", DecimalText, nullable=False),
    sa.Column("decision", DecimalText, nullable=False),
    sa.Column("timing", DecimalText, nullable=False),
    sa.Column("slippage", DecimalText, nullable=False),
    sa.Column("fees", DecimalText, nullable=False),
    sa.Column("skipped", DecimalText, nullable=False),
    sa.Column("outside", DecimalText, nullable=False),
    _text("note"),
    sa.PrimaryKeyConstraint("book_id", "session", name="one_gap_a_session"),
)

restatements = sa.Table(
    "restatements",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), nullable=False, index=True),
    sa.Column("session", sa.Date, nullable=False),
    _text("symbol"),
    _text("field"),
    sa.Column("was", sa.Float, nullable=False),
    sa.Column("now", sa.Float, nullable=False),
    _text("explained"),
    _text("done"),
    sa.PrimaryKeyConstraint("run_id", "session", "symbol", "field", name="one_restatement_a_value"),
)

bar_files = sa.Table(
    "bar_files",
    metadata,
    _text("source"),
    _text("path"),
    _text("sha256"),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.PrimaryKeyConstraint("source", "path", name="one_hash_a_file"),
)

controls = sa.Table(
    "controls",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("book_id", sa.Text, nullable=False, index=True),
    _text("state"),
    sa.Column("session", sa.Date),
    _text("who"),
    sa.Column("at", Instant, nullable=False),
    _text("reason"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    _text("broker"),
    _text("number"),
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("decision_sha256", sa.Text, primary_key=True),
    _book_id(),
    sa.Column("session", sa.Date, nullable=False),
    _text("answer"),
    _text("who"),
    sa.Column("at", Instant, nullable=False),
    _text("reason"),
)

outside_changes = sa.Table(
    "outside_changes",
    metadata,
    _book_id(),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("session", sa.Date, nullable=False),
    _text("instrument"),
    sa.Column("quantity", DecimalText, nullable=False),
    sa.Column("amount", DecimalText, nullable=False),
    _text("sentence"),
    sa.Column("found_at", Instant, nullable=False),
    sa.Column("adopted_at", Instant),
    _text("adopted_by"),
    _text("reason"),
    sa.PrimaryKeyConstraint("book_id", "reference", name="one_row_an_outside_change"),
)

sa.Index("ix_runs_newest", runs.c.book_id, runs.c.session, runs.c.started_at)
sa.Index("ix_orders_newest", orders.c.book_id, orders.c.decided_session)
sa.Index("ix_orders_open", orders.c.book_id, orders.c.status)
sa.Index("ix_orders_for_open", orders.c.book_id, orders.c.execution_session)
sa.Index("ix_position_events_held", position_events.c.book_id, position_events.c.instrument, position_events.c.quantity)
sa.Index("ix_models_newest", models.c.book_id, models.c.cutoff)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("target_sha256", sa.Text, nullable=False),
    sa.Column("config_sha256", sa.Text, nullable=False, index=True),
    sa.Column("first", sa.Date, nullable=False),
    sa.Column("last", sa.Date, nullable=False),
    sa.Column("search_id", sa.Text, nullable=False),
    _text("strategy"),
    sa.Column("n_sessions", sa.Integer, nullable=False),
    sa.Column("sharpe", sa.Float, nullable=False),
    _text("origin"),
    sa.Column("evaluated_at", Instant, nullable=False),
    sa.Column("returns", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("target_sha256", "config_sha256", "first", "last", "search_id", name="one_trial_a_range"),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("config_sha256", sa.Text, nullable=False, index=True),
    _text("target_sha256"),
    _text("strategy"),
    sa.Column("first", sa.Date, nullable=False),
    sa.Column("last", sa.Date, nullable=False),
    _text("bars_sha256"),
    sa.Column("gates", sa.JSON, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
)

overrides = sa.Table(
    "overrides",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    _book_id(),
    _text("lines"),
    _text("who"),
    sa.Column("at", Instant, nullable=False),
    _text("reason"),
)

replacements = sa.Table(
    "replacements",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    _text("strategy"),
    _text("kind"),
    sa.Column("path", sa.Text, nullable=False, index=True),
    _text("challenger"),
    _text("former_sha256"),
    _text("new_sha256"),
    _text("former"),
    _text("new"),
    sa.Column("evidence", sa.JSON, nullable=False),
    _text("who"),
    sa.Column("at", Instant, nullable=False),
    _text("reason"),
    sa.Column("finished_at", Instant),
)
