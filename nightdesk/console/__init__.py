"""The page on this machine: it reads the ledgers and appends a person's answers to them; it cannot reach a broker."""
