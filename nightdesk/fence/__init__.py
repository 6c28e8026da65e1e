"""The fence: a user's own file, run in a process of its own. Whatever goes wrong there is one sentence here."""
