"""How the desk works, in plain Python. Prefect is never imported here."""
