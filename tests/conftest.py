"""Settings of the whole suite: the same examples in every run, so that a failure of today is a failure of this change.

Hypothesis draws its examples from the test's own name; ``--hypothesis-profile=default`` draws new ones in every run.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, database=None, deadline=None, print_blob=True)
settings.load_profile("reproducible")
