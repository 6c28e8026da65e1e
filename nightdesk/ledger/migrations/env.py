"""How Alembic reaches the ledger: on the connection that `nightdesk.ledger.file.migrate` hands it."""

from alembic import context

from nightdesk.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
