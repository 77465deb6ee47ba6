"""Occupancy programs and their duals, re-weighted data, safety: linear and convex duality of decision processes."""
