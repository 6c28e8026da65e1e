"""Signals: pure rules from predictions to target weights."""
