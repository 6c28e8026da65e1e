"""Decisions in a hash chain; restated values; hashes of bar files.

Revision ID: 0002
"""

from collections import defaultdict
from datetime import date

import sqlalchemy as sa
from alembic import op

from nightdesk import database
from nightdesk.ledger.chain import Link, chained

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("decisions", sa.Column("position", sa.Integer(), nullable=True))
    op.add_column("decisions", sa.Column("chain_sha256", sa.Text(), nullable=True))
    _chain_what_is_there()
    with op.batch_alter_table("decisions") as batch:
        batch.alter_column("envelope", existing_type=sa.JSON(), type_=sa.Text(), existing_nullable=False)
        batch.alter_column("position", existing_type=sa.Integer(), nullable=False)
        batch.alter_column("chain_sha256", existing_type=sa.Text(), nullable=False)
        batch.create_unique_constraint("one_decision_a_position", ["book_id", "position"])
    op.create_table(
        "restatements",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("was", sa.Float(), nullable=False),
        sa.Column("now", sa.Float(), nullable=False),
        sa.Column("explained", sa.Text(), nullable=False),
        sa.Column("done", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"]),
        sa.PrimaryKeyConstraint("run_id", "session", "symbol", "field", name="one_restatement_a_value"),
    )
    op.create_index(op.f("ix_restatements_run_id"), "restatements", ["run_id"], unique=False)
    op.create_table(
        "bar_files",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("recorded_at", database.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("source", "path", name="one_hash_a_file"),
    )


def _chain_what_is_there() -> None:
    """Tie the decisions of an older ledger together in the order of their sessions: what they were before, nobody can say."""
    connection = op.get_bind()
    query = "select book_id, session, attempt, origin, sha256, body, envelope from decisions order by book_id, session, attempt"
    ends: defaultdict[str, tuple[int, str]] = defaultdict(lambda: (0, ""))
    for book_id, session, attempt, origin, sha256, body, envelope in connection.exec_driver_sql(query).all():
        position, previous = ends[book_id]
        link = Link(book_id, position + 1, date.fromisoformat(session), attempt, origin, sha256, body, envelope, "")
        ends[book_id] = (position + 1, chained(previous, link))
        connection.exec_driver_sql(
            "update decisions set position = ?, chain_sha256 = ? where book_id = ? and session = ? and attempt = ?",
            (*ends[book_id], book_id, session, attempt),
        )
