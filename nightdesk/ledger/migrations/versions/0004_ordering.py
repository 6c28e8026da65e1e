"""When an order was sent, whose account it is, what a person consented to, and what changed outside the desk.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

from nightdesk import database

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("orders", sa.Column("sent_at", database.Instant(), nullable=True))
    op.create_table(
        "accounts",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "consents",
        sa.Column("decision_sha256", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", database.Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["book_id"], ["books.book_id"]),
        sa.PrimaryKeyConstraint("decision_sha256"),
    )
    op.create_index(op.f("ix_consents_book_id"), "consents", ["book_id"], unique=False)
    op.create_table(
        "outside_changes",
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("quantity", database.DecimalText(), nullable=False),
        sa.Column("amount", database.DecimalText(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("found_at", database.Instant(), nullable=False),
        sa.Column("adopted_at", database.Instant(), nullable=True),
        sa.Column("adopted_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["book_id"], ["books.book_id"]),
        sa.PrimaryKeyConstraint("book_id", "reference", name="one_row_an_outside_change"),
    )
    op.create_index(op.f("ix_outside_changes_book_id"), "outside_changes", ["book_id"], unique=False)
