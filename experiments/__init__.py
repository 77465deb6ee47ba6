"""Experiments: numerical studies (``sweeps``) and notebooks for the classroom (``classroom``)."""
