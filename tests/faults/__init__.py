"""Faults of functions against the claims that see them, one table a subject."""
