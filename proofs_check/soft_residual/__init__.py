"""Soft and residual control, mirror descent, demonstrations."""
