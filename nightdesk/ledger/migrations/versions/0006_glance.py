"""Indexes for what a page asks first: the newest runs, orders and fits of a book, and what it holds.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"

INDEXES = {
    "ix_runs_newest": ("runs", ["book_id", "session", "started_at"]),
    "ix_orders_newest": ("orders", ["book_id", "decided_session"]),
    "ix_orders_open": ("orders", ["book_id", "status"]),
    "ix_orders_for_open": ("orders", ["book_id", "execution_session"]),
    "ix_position_events_held": ("position_events", ["book_id", "instrument", "quantity"]),
    "ix_models_newest": ("models", ["book_id", "cutoff"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns, unique=False)
