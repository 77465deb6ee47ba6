"""Numerical studies: one module and one TOML file a study, run by ``python -m experiments.sweeps``."""

STUDIES = (
    "mirror_descent",
    "tightness",
    "prior_error",
    "implicit_maximisers",
    "return_conditioning",
    "policy_iteration",
)
"""Names of the studies, which are those of their modules, in the order of the README."""
