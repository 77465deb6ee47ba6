"""Best of n in exact arithmetic: rational laws and win rates, divergences as balls, the matched tilt in a proven bracket."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.finite_models.instances import Ranking

_HALVINGS = 110


def law_by_powers(case: Ranking) -> Array:
    """``p(y) sum_j (L+E)^j L^(n-1-j)``: the formula without its division."""
    p, n = mdplab.exact.laws(case.probability), case.n_draws
    _, level = np.unique(case.score, return_inverse=True)
    mass = [p[level == number].sum() for number in range(level.max() + 1)]
    upto = np.cumsum(np.array(mass, dtype=object))
    below = upto - mass
    powers = sum(upto**j * below ** (n - 1 - j) for j in range(n))
    return np.asarray(p * powers[level])


def law_by_tuples(case: Ranking) -> Array:
    """All tuples of draws, a tie shared among the draws that attain it."""
    p, r, n = mdplab.exact.laws(case.probability), case.score, case.n_draws
    law = 0 * p
    for drawn in product(range(p.size), repeat=n):
        best = [item for item in drawn if r[item] == max(r[list(drawn)])]
        for item in best:
            law[item] += np.prod(p[list(drawn)]) / len(best)
    return np.asarray(law)


def divergence(case: Ranking) -> Any:
    """``KL(p_n || p)``."""
    return mdplab.exact.kl(law_by_powers(case), mdplab.exact.laws(case.probability))


def divergence_bound(case: Ranking) -> Any:
    """``log n - (n-1)/n``."""
    one, n = mdplab.exact.rational(1), case.n_draws
    return mdplab.exact.log(n) - (n - 1) * one / n


def win_rate(case: Ranking) -> Any:
    """Half of what lies below or level with an item, and of what lies below it, under ``p_n``."""
    r, p = case.score, mdplab.exact.laws(case.probability)
    wins = (np.greater.outer(r, r).astype(int) + np.greater_equal.outer(r, r)) @ p / 2
    return law_by_powers(case) @ wins


def win_rate_bound(case: Ranking) -> Any:
    """``n / (n+1)``."""
    return case.n_draws * mdplab.exact.rational(1) / (case.n_draws + 1)


def mean(case: Ranking) -> Any:
    """Mean score of ``p_n``."""
    return law_by_powers(case) @ mdplab.exact.rational(case.score)


def mean_of_tilt(case: Ranking) -> Any:
    """Mean score of the tilt with the divergence of ``p_n``, between those of two slopes that enclose its own.

    With at most two levels of scores ``p_n`` is that tilt itself: within a level it is proportional to ``p``.
    """
    p, r, law = mdplab.exact.laws(case.probability), mdplab.exact.rational(case.score), law_by_tuples(case)
    if np.unique(case.score[p != 0]).size <= 2:
        return law @ r
    target, log_p = mdplab.exact.kl(law, p), mdplab.exact.log(p)

    def tilted(slope: Any) -> tuple[Any, Any]:
        """Mean and divergence of ``p exp(slope r)``; both increase with the slope."""
        at = mdplab.exact.softmax(slope * r, log_reference=log_p) @ r
        return at, slope * at - mdplab.exact.log_sum_exp(slope * r, log_reference=log_p)

    low, high = mdplab.exact.rational(0), mdplab.exact.rational(1)
    while not tilted(high)[1] > target:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = tilted(middle)[1]
        if found > target:
            high = middle
        elif found < target:
            low = middle
        else:
            break
    return tilted(low)[0].union(tilted(high)[0])
