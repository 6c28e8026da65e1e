"""A person's consent: what a decision shows to them, and what their answer must pass. From the ledger alone, without a broker."""
