"""Features: pure functions on panels (sessions x symbols). Nothing in a row looks later than its session."""
