"""The part of the suite that `make test-postgres` runs with every ledger on PostgreSQL, and what of it cannot run there."""

FILES = (
    "faults/test_day_kill.py",
    "faults/test_kill_matrix.py",
    "faults/test_one_writer.py",
    "faults/test_submit_outcomes.py",
    "integration/test_bad_bars.py",
    "integration/test_consent.py",
    "integration/test_consent_on_time.py",
    "integration/test_day.py",
    "integration/test_flatten.py",
    "integration/test_limited_days.py",
    "integration/test_missed.py",
    "integration/test_replay.py",
    "integration/test_ruled_days.py",
    "integration/test_settle_at_alpaca.py",
)
"""What a day, a person's answer, a broker's fault and a killed process do to the ledger; below tests/."""

ONLY_SQLITE = {
    "test_a_writer_that_is_killed_leaves_the_lock_free": "about the lock of a file; a server's: tests/servers/test_postgres.py",
}
"""Tests of these files that are left out there, by name, and why."""
