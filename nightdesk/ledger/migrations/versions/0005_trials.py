"""What was tried and what the gates said, of fits and of backtests; why a gate was overridden; strategy files that were replaced.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

from nightdesk import database

revision = "0005"
down_revision = "0004"

NEVER = ("trials", "evidence", "overrides")
"""Tables whose rows nobody changes or removes."""


def upgrade() -> None:
    op.add_column("models", sa.Column("gates", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "trials",
        sa.Column("target_sha256", sa.Text(), nullable=False),
        sa.Column("config_sha256", sa.Text(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("search_id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("n_sessions", sa.Integer(), nullable=False),
        sa.Column("sharpe", sa.Float(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("evaluated_at", database.Instant(), nullable=False),
        sa.Column("returns", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("target_sha256", "config_sha256", "first", "last", "search_id", name="one_trial_a_range"),
    )
    op.create_index(op.f("ix_trials_config_sha256"), "trials", ["config_sha256"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("config_sha256", sa.Text(), nullable=False),
        sa.Column("target_sha256", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("bars_sha256", sa.Text(), nullable=False),
        sa.Column("gates", sa.JSON(), nullable=False),
        sa.Column("recorded_at", database.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_evidence_config_sha256"), "evidence", ["config_sha256"], unique=False)
    op.create_table(
        "overrides",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("book_id", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", database.Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["book_id"], ["books.book_id"]),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_overrides_book_id"), "overrides", ["book_id"], unique=False)
    texts = ("path", "strategy", "kind", "challenger", "former_sha256", "new_sha256", "former", "new", "who", "reason")
    op.create_table(
        "replacements",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("at", database.Instant(), nullable=False),
        sa.Column("finished_at", database.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_replacements_path"), "replacements", ["path"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "create function never_changed() returns trigger language plpgsql as "
            "$$ begin raise exception '% are never changed', tg_table_name; end $$"
        )
        for table in NEVER:
            op.execute(
                f"create trigger {table}_never before update or delete on {table} for each row execute function never_changed()"
            )
            op.execute(
                f"create trigger {table}_never_emptied before truncate on {table} for each statement "
                "execute function never_changed()"
            )
    else:
        for table in NEVER:
            for change in ("update", "delete"):
                op.execute(
                    f"create trigger {table}_no_{change} before {change} on {table} "
                    f"begin select raise(abort, '{table} are never changed'); end"
                )
