"""Preferences, alignment and games on finite sets of responses."""
