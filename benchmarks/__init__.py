"""How long the desk takes, and what it takes it for: `python -m benchmarks`. See docs/benchmarks.md."""
