"""A tilt by a misjudged reward in balls: its gain in the true reward, and the bound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab

if TYPE_CHECKING:
    from proofs_check.dual_rl.misjudged_bandit import MisjudgedBandit


def tilt_of(task: MisjudgedBandit) -> tuple[Any, Any, Any, Any]:
    """Reference, tilt, true reward and error of the reward."""
    q = mdplab.exact.laws(task.reference)
    r, e = mdplab.exact.rational(task.reward), mdplab.exact.rational(task.error)
    p = mdplab.exact.softmax(r + e, temperature=task.temperature, log_reference=mdplab.exact.log(q))
    return q, p, r, e


def gain(task: MisjudgedBandit) -> Any:
    """True value of the tilt less that of the reference."""
    q, p, r, _ = tilt_of(task)
    return (p * r).sum() - q @ r


def sum_of_divergences(task: MisjudgedBandit) -> Any:
    """The temperature times both divergences."""
    q, p, _, _ = tilt_of(task)
    return mdplab.exact.rational(task.temperature) * mdplab.exact.jeffreys(p, q)


def improvement_bound(task: MisjudgedBandit) -> Any:
    """The temperature times both divergences, less the span of the error times the root of half of one."""
    q, p, r, e = tilt_of(task)
    judged = (r + e)[q != 0]
    if all(judged == judged[0]):  # a ball around the divergence, which is 0, has no root
        return mdplab.exact.rational(0)
    root = mdplab.exact.sqrt(mdplab.exact.kl(p, q) / 2)
    return sum_of_divergences(task) - (e.max() - e.min()) * root


def true_value(task: MisjudgedBandit) -> Any:
    """Mean true reward of the tilt."""
    _, p, r, _ = tilt_of(task)
    return (p * r).sum()


def value_between(task: MisjudgedBandit) -> Any:
    """True value at the strength 3/2, twice."""
    return np.array([true_value(replace(task, temperature=1.5))] * 2, dtype=object)


def values_outside(task: MisjudgedBandit) -> Any:
    """True value at the strengths 1/20 and 100, and .02 more."""
    values = [true_value(replace(task, temperature=beta)) for beta in (0.05, 100.0)]
    return np.array(values, dtype=object) + mdplab.exact.rational(0.02)
