"""Leak tests: whether anything that is decided at t depends on what came after t."""
