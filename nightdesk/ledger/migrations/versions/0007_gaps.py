"""What a session made beside what its model expected, in parts.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

from nightdesk import database

revision = "0007"
down_revision = "0006"

MONEY = ("equity", "expected", "actual", "data", "decision", "timing", "slippage", "fees", "skipped", "outside")


def upgrade() -> None:
    op.create_table(
        "gaps",
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        *(sa.Column(name, database.DecimalText(), nullable=False) for name in MONEY),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["book_id"], ["books.book_id"]),
        sa.PrimaryKeyConstraint("book_id", "session", name="one_gap_a_session"),
    )
    op.create_index(op.f("ix_gaps_book_id"), "gaps", ["book_id"], unique=False)
