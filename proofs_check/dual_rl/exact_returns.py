"""Room for improvement and positive-sided variance in rationals; roots stay rational where they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mdplab

if TYPE_CHECKING:
    from proofs_check.dual_rl.hong2023_positive_variance import ReturnTask


def moments(task: ReturnTask) -> tuple[Any, Any, Any]:
    """``max G - E G``, ``V_+`` and ``Pr(G > E G)``, by the moments of the returns above the mean."""
    returns, masses = mdplab.exact.rational(task.returns), mdplab.exact.laws(task.masses)
    mean = masses @ returns
    above = returns > mean
    x, p = returns[above], masses[above]
    share = p.sum()
    return returns.max() - mean, p @ x**2 - 2 * mean * (p @ x) + mean**2 * share, share


def root(x: Any) -> Any:
    """Square root of a rational, as a rational where it is one."""
    above, below = math.isqrt(int(x.p)), math.isqrt(int(x.q))
    whole = mdplab.exact.rational(above) / below
    return whole if whole * whole == x else mdplab.exact.sqrt(x)


def room(task: ReturnTask) -> Any:
    """``max G - E G``."""
    return moments(task)[0]


def conditional_root(task: ReturnTask) -> Any:
    """Root of ``V_+ / Pr(G > E G)``."""
    _, variance, share = moments(task)
    return root(variance / share)


def positive_root(task: ReturnTask) -> Any:
    """Root of ``V_+``."""
    return root(moments(task)[1])
