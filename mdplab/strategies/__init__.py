"""Strategies of Hypothesis for all models: generation of hard cases, and shrinking to readable ones."""

from __future__ import annotations

from mdplab.strategies.control import finite_horizon_mdps, mdps, policies
from mdplab.strategies.engine import HypothesisDraw, from_family

__all__ = ["HypothesisDraw", "finite_horizon_mdps", "from_family", "mdps", "policies"]
