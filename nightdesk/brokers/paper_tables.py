"""The tables of a paper account's file."""

import sqlalchemy as sa

from nightdesk.database import DecimalText

metadata = sa.MetaData()
orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("instrument", sa.Text, nullable=False),
    sa.Column("quantity", DecimalText, nullable=False),
    sa.Column("filled_quantity", DecimalText, nullable=False),
    sa.Column("time_in_force", sa.Text, nullable=False),
    sa.Column("execution_session", sa.Date, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
)
activities = sa.Table(
    "activities",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("activity_id", sa.Text, nullable=False, unique=True),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("instrument", sa.Text, nullable=False),
    *(sa.Column(name, DecimalText, nullable=False) for name in ("quantity", "amount", "price", "commission", "slippage")),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, default=""),
)
played = sa.Table("played", metadata, sa.Column("until", sa.Date, primary_key=True))
