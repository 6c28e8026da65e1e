"""The first schema of the ledger.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

from nightdesk import database

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "books",
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("capital", database.DecimalText(), nullable=False),
        sa.Column("opened", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("book_id"),
    )
    op.create_table(
        "cash_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", database.DecimalText(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_cash_events_book_id"), "cash_events", ["book_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("execution_session", sa.Date(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.PrimaryKeyConstraint("book_id", "session", "attempt", name="one_decision_a_session"),
    )
    op.create_index(op.f("ix_decisions_book_id"), "decisions", ["book_id"], unique=False)
    op.create_index(op.f("ix_decisions_sha256"), "decisions", ["sha256"], unique=False)
    op.create_table(
        "marks",
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("cash", database.DecimalText(), nullable=False),
        sa.Column("positions_value", database.DecimalText(), nullable=False),
        sa.Column("equity", database.DecimalText(), nullable=False),
        sa.Column("flow", database.DecimalText(), nullable=False),
        sa.Column("benchmark", database.DecimalText(), nullable=True),
        sa.Column("marked_late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.PrimaryKeyConstraint("book_id", "session", name="one_mark_a_session"),
    )
    op.create_index(op.f("ix_marks_book_id"), "marks", ["book_id"], unique=False)
    op.create_table(
        "models",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("estimator", sa.Text(), nullable=False),
        sa.Column("cutoff", sa.Date(), nullable=False),
        sa.Column("train_first", sa.Date(), nullable=True),
        sa.Column("train_last", sa.Date(), nullable=True),
        sa.Column("test_first", sa.Date(), nullable=True),
        sa.Column("test_last", sa.Date(), nullable=True),
        sa.Column("config_sha256", sa.Text(), nullable=False),
        sa.Column("data_sha256", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("mlflow_run_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.PrimaryKeyConstraint("model_id"),
    )
    op.create_index(op.f("ix_models_book_id"), "models", ["book_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("decided_session", sa.Date(), nullable=False),
        sa.Column("execution_session", sa.Date(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("instrument_id", sa.Text(), nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("quantity", database.DecimalText(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("reference_price", database.DecimalText(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("decision_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index(op.f("ix_orders_book_id"), "orders", ["book_id"], unique=False)
    op.create_index(op.f("ix_orders_decided_session"), "orders", ["decided_session"], unique=False)
    op.create_table(
        "position_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("quantity", database.DecimalText(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_position_events_book_id"), "position_events", ["book_id"], unique=False)
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("orchestrated", sa.Boolean(), nullable=False),
        sa.Column("started_at", database.Instant(), nullable=False),
        sa.Column("finished_at", database.Instant(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=False),
        sa.Column("decision_sha256", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index(op.f("ix_runs_book_id"), "runs", ["book_id"], unique=False)
    op.create_index(op.f("ix_runs_session"), "runs", ["session"], unique=False)
    op.create_table(
        "fills",
        sa.Column("fill_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("quantity", database.DecimalText(), nullable=False),
        sa.Column("price", database.DecimalText(), nullable=False),
        sa.Column("commission", database.DecimalText(), nullable=False),
        sa.Column("slippage", database.DecimalText(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.order_id"],
        ),
        sa.PrimaryKeyConstraint("fill_id"),
    )
    op.create_index(op.f("ix_fills_book_id"), "fills", ["book_id"], unique=False)
    op.create_index(op.f("ix_fills_order_id"), "fills", ["order_id"], unique=False)
    op.create_table(
        "promotions",
        sa.Column("promotion_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["books.book_id"],
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["models.model_id"],
        ),
        sa.PrimaryKeyConstraint("promotion_id"),
        sa.UniqueConstraint("book_id", "session", name="one_promotion_a_session"),
    )
    op.create_index(op.f("ix_promotions_book_id"), "promotions", ["book_id"], unique=False)
