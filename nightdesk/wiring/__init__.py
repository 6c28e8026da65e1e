"""Settings and a strategy file to objects: the one place where names become things. Each file is what one process needs."""
