r"""Learning beside an expert or a guide: interventions, restarts and the regret of guided roll-outs.

*Interventions.*  An expert :math:`\pi_E` that judges by action values :math:`Q` steps in where its own action is better than
the learner's by more than a margin, :math:`I(s,a)=1\{Q(s,\pi_E(s))>Q(s,a)+\delta\}`.

*Roll-ins.*  A guide :math:`g` brings the learner to states that it would not find: the restart law is
:math:`\rho=(1-w)\mu_0+w\,d^g_{\mu_0}`.

*Roll-outs.*  With probability :math:`b` an episode is finished by the guide, else by the learner.  On states
:math:`\nu=d^\pi` the regret of the learner against the best action of either kind of roll-out is

.. math:: \Delta=\frac1{1-\gamma}\,\mathbb E_\nu\Big[b\max_aQ^g+(1-b)\max_aQ^\pi-\langle\pi,\,bQ^g+(1-b)Q^\pi\rangle\Big].

By the performance difference lemma it bounds :math:`b` times the loss against the guide plus :math:`1-b` times the local
regret, :math:`\Delta\ge b\,\mu_0^\top(V^g-V^\pi)+\frac{1-b}{1-\gamma}\mathbb E_\nu[\max_aQ^\pi-V^\pi]`.  The two maxima must be
taken apart: with :math:`\max_a[bQ^g+(1-b)Q^\pi]` the bound is false.

References
----------
.. [1] J. Luo et al., "RLIF: interactive imitation learning as reinforcement learning", ICLR 2024.
.. [2] K.-W. Chang et al., "Learning to search better than your teacher", ICML 2015 (LOLS).
.. [3] J. D. Chang et al., "Learning to generate better than your LLM", 2023.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray
from mdplab.models import _validate as v
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.occupancy import state_occupancy

__all__ = ["guided_regret", "interventions", "restart_law"]


def interventions(q: ArrayLike, expert: ArrayLike, *, margin: float = 0.0, tol: float = 1e-12) -> BoolArray:
    """Pairs at which an expert steps in: its own action is better by more than a margin.

    Parameters
    ----------
    q : array_like (S, A)
        Real action values by which the expert judges; ``-inf`` at unavailable pairs.
    expert : array_like of int (S,)
        Its actions.
    margin : float, default 0
        What it tolerates, at least 0.
    tol : float, default 1e-12
        Ties: a difference within ``tol`` of the margin is tolerated too.

    Returns
    -------
    ndarray of bool (S, A)
        Never true at the expert's own actions.

    Raises
    ------
    ValueError
        If ``q`` is no real table or not finite at the expert's actions, an action is out of range, or the margin or the
        tolerance is negative.
    """
    values = _check.numeric("q", q)
    if values.ndim != 2 or np.iscomplexobj(values):
        raise ValueError(
            f"q must be real numbers of shape (S, A); got {values.dtype} of shape {values.shape}"
        )
    _check.shaped("q", values, values.shape, "(S, A)")
    actions = np.asarray(expert)
    if actions.shape != values.shape[:1] or actions.dtype.kind not in "iu":
        raise ValueError(
            f"expert must be integers of shape {values.shape[:1]}; got {actions.dtype} of shape {actions.shape}"
        )
    if ((actions < 0) | (actions >= values.shape[1])).any():
        raise ValueError(f"expert has actions outside 0..{values.shape[1] - 1}")
    _check.non_negative("margin", margin)
    _check.non_negative("tol", tol)
    own = np.take_along_axis(values, actions[:, np.newaxis], axis=1)
    if not np.isfinite(own).all():
        raise ValueError(
            f"q is {own[~np.isfinite(own)][0]} at an action of the expert, expected a finite number"
        )
    return np.asarray(own - values > margin + tol)


def restart_law(mdp: MDP, guide: ArrayLike, *, share: float = 0.5, initial: ArrayLike | None = None) -> Array:
    """Law of the states from which a learner starts that a guide rolls in with some probability.

    Parameters
    ----------
    mdp : MDP
        The model.
    guide : array_like (S, A)
        Policy of the guide, real or complex.
    share : float, default 0.5
        Weight of the guide's normalised occupancy, in [0, 1]; the rest is the start law.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray (S,)
        ``(1 - share) * initial + share * d_guide``.

    Raises
    ------
    ValueError
        If the guide is no policy, the share is outside [0, 1], or there is no start law.
    """
    _check.number("share", share, 0.0, 1.0)
    law = _check.start_law(mdp, initial)
    rows = _check.policy(mdp, guide, "guide")
    result: Array = (1.0 - share) * law + share * state_occupancy(mdp, rows, initial=law)
    return result


def guided_regret(
    policy: ArrayLike,
    *,
    q: ArrayLike,
    guide_q: ArrayLike,
    guide_share: float,
    state_occupancy: ArrayLike,
    discount: float,
) -> Any:
    """Regret of a learner against the best first actions of roll-outs that a guide finishes with some probability.

    Parameters
    ----------
    policy : array_like (S, A)
        The learner.
    q, guide_q : array_like (S, A)
        Real action values of the learner and of the guide; ``-inf`` at unavailable pairs.
    guide_share : float
        Probability with which the guide finishes a roll-out, in [0, 1]; with 0 this is the local regret
        ``E[max Q - V] / (1 - discount)``, whatever the guide.
    state_occupancy : array_like (S,)
        Law of the states in which actions are compared, as a rule the normalised occupancy of the learner.
    discount : float
        In [0, 1).

    Returns
    -------
    float
        Non-negative.

    Raises
    ------
    ValueError
        If shapes do not match, the values are complex, NaN or infinite, the policy or the occupancy is no law, the share is
        outside [0, 1] or the discount is not in [0, 1).
    """
    own = _check.numeric("q", q)
    if own.ndim != 2 or np.iscomplexobj(own):
        raise ValueError(f"q must be real numbers of shape (S, A); got {own.dtype} of shape {own.shape}")
    guided = _check.shaped("guide_q", guide_q, own.shape, "(S, A)")
    if np.iscomplexobj(guided):
        raise ValueError("guide_q must be real: a maximum of complex numbers has no meaning")
    for name, table in (("q", own), ("guide_q", guided)):
        if not (table < np.inf).all():
            where = v.first(~(table < np.inf))
            raise ValueError(f"{v.place(name, where)} is {table[where]}, expected a finite number or -inf")
    rows = v.real("policy", policy, own.shape)
    weights = v.real("state_occupancy", state_occupancy, own.shape[:1])
    _check.laws("policy", rows, ("state",))
    _check.laws("state_occupancy", weights)
    _check.number("guide_share", guide_share, 0.0, 1.0)
    _check.discount(discount)
    total = np.zeros(own.shape[0])
    for share, values in ((guide_share, guided), (1.0 - guide_share, own)):
        if share > 0.0:
            # differences before products: the regret of a good action is small against its value
            short = np.where(rows != 0, values.max(axis=1, keepdims=True) - values, 0.0)
            total += share * (rows * short).sum(axis=1)
    return weights @ total / (1.0 - discount)
