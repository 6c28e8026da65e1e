"""Every configuration that was evaluated, what the gates said of it, and why one of them was overridden. Rows never change."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from nightdesk.database import insert_new
from nightdesk.ledger import tables
from nightdesk.ledger.file import LedgerFile
from schemas.evidence import Evidence, Override, Trial

AT_ONCE = 50
"""Rows of one statement: a database takes only so many values."""


class Trials(LedgerFile):
    """The rows. Those of the paper ledger count: it is there that backtests and searches write them."""

    def append_trials(self, trials: Sequence[Trial]) -> None:
        """Keep trials; the same configuration over the same sessions again, by the same search or by none, adds nothing."""
        with self._writing() as connection:
            for first in range(0, len(trials), AT_ONCE):
                connection.execute(insert_new(tables.trials, [asdict(trial) for trial in trials[first : first + AT_ONCE]]))

    def trials_of(self, target_sha256: str) -> list[Trial]:
        """One trial for each distinct configuration that was evaluated for a target, its longest record; by configuration."""
        longest: dict[str, Trial] = {}
        for trial in self._trials(tables.trials.c.target_sha256 == target_sha256):
            known = longest.get(trial.config_sha256)
            if known is None or trial.n_sessions >= known.n_sessions:
                longest[trial.config_sha256] = trial
        return [longest[config] for config in sorted(longest)]

    def trials_of_search(self, search_id: str) -> list[Trial]:
        """Every trial of a search, in the order in which they were evaluated."""
        return self._trials(tables.trials.c.search_id == search_id)

    def trials_of_configuration(self, config_sha256: str) -> list[Trial]:
        """Every trial of a configuration, in the order in which they were evaluated."""
        return self._trials(tables.trials.c.config_sha256 == config_sha256)

    def _trials(self, which: sa.ColumnElement[bool]) -> list[Trial]:
        rows = tables.trials
        query = sa.select(rows).where(which)
        return self._records(Trial, query.order_by(rows.c.evaluated_at, rows.c.config_sha256, rows.c.first, rows.c.last))

    def append_evidence(self, evidence: Evidence) -> None:
        with self._writing() as connection:
            connection.execute(sa.insert(tables.evidence), asdict(evidence))

    def evidence_of(self, config_sha256: str) -> Evidence | None:
        """What the gates said last of a configuration."""
        rows = tables.evidence
        query = sa.select(rows).where(rows.c.config_sha256 == config_sha256).order_by(rows.c.number.desc()).limit(1)
        return self._record(Evidence, query)

    def append_override(self, override: Override) -> None:
        with self._writing() as connection:
            connection.execute(sa.insert(tables.overrides), asdict(override))

    def override(self, book_id: str) -> Override | None:
        """The override that a book trades under; None where it was let go live without one since."""
        rows = tables.overrides
        query = sa.select(rows).where(rows.c.book_id == book_id).order_by(rows.c.number.desc()).limit(1)
        found = self._record(Override, query)
        return found if found and found.lines else None
