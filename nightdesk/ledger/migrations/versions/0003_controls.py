"""What books may do: ACTIVE, REDUCING or HALTED, with who, when and why.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

from nightdesk import database

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "controls",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", database.Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_controls_book_id"), "controls", ["book_id"], unique=False)
