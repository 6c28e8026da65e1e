"""What people said to decisions that wait for consent: one row a decision, the first, which alone decides."""

from dataclasses import asdict

import sqlalchemy as sa

from nightdesk.database import insert_new
from nightdesk.ledger import tables
from nightdesk.ledger.file import LedgerFile
from schemas.records import Consent


class Consents(LedgerFile):
    """The rows."""

    def append_consent(self, consent: Consent) -> Consent:
        """Keep an answer. Returns the one that stands: an earlier one, where there is one."""
        with self._writing() as connection:
            connection.execute(insert_new(tables.consents, [asdict(consent)]))
        return self.consent(consent.decision_sha256) or consent

    def consent(self, decision_sha256: str) -> Consent | None:
        """The answer to a decision."""
        query = sa.select(tables.consents).where(tables.consents.c.decision_sha256 == decision_sha256)
        return self._record(Consent, query)
