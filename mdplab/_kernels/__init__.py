"""Compiled inner loops: plain arrays in, outputs last, no validation.  Only this package imports Numba."""
