r"""The inverse of soft control: which reward makes given action values the optimal ones.

With :math:`V_Q(s)=\tau\log\sum_a\rho(a|s)e^{Q(s,a)/\tau}` the map

.. math:: (\mathcal I Q)(s,a)=Q(s,a)-\gamma\sum_tP(t|s,a)\,V_Q(t)

is a bijection of the action values of a discounted model onto its rewards: the soft optimality equation of the reward
:math:`R` is :math:`\mathcal IQ=R`, and it has one solution.  So a loss in rewards can be written in :math:`Q`, and the
policy read off as the soft policy of :math:`Q`.  A potential in :math:`Q` is a shaping in the reward:
:math:`\mathcal I(Q+\Phi)=\mathcal IQ+\Phi-\gamma P\Phi`, with the same soft policy.  In a finite horizon
:math:`(\mathcal IQ)_h=Q_h-\gamma P_hV_{Q_{h+1}}`, the terminal reward standing for the last value; undiscounted problems
without an end are left out, where a constant in :math:`Q` would not show in the reward.

References
----------
.. [1] D. Garg, S. Chakraborty, C. Cundy, J. Song and S. Ermon, "IQ-Learn: inverse soft-Q learning for imitation",
   NeurIPS 2021.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.soft import soft_value

__all__ = ["inverse_soft_backup"]


def inverse_soft_backup(
    mdp: MDP | FiniteHorizonMDP,
    q: ArrayLike,
    *,
    temperature: float = 1.0,
    log_reference: ArrayLike | None = None,
) -> Array:
    """The reward whose soft optimal action values are ``q``.

    Parameters
    ----------
    mdp : MDP or FiniteHorizonMDP
        The model; its reward is not read, its mask and (in a finite horizon) its terminal reward are.
    q : array_like (S, A) or (H, S, A)
        Action values, real or complex; by stage in a finite horizon.
    temperature : float, default 1
        Positive.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-probabilities of the reference policy; default is the counting measure.

    Returns
    -------
    ndarray, shape of ``q``
        ``q - discount * P soft_value(q)``, 0 at unavailable pairs.

    Raises
    ------
    TypeError
        If the model is neither discounted nor of a finite horizon.
    ValueError
        If shapes do not match, the temperature is not positive or a state has no admitted action.

    Examples
    --------
    >>> from mdplab.instances import two_state_mdp
    >>> inverse_soft_backup(two_state_mdp(), [[1.0, 2.0], [3.0, 4.0]]).round(6).tolist()
    [[-1.261936, -1.521936], [0.018064, 0.298064]]
    """
    if isinstance(mdp, FiniteHorizonMDP):
        values = _check.shaped("q", q, (mdp.horizon, mdp.n_states, mdp.n_actions), "(H, S, A)")
    else:
        _check.model(mdp, MDP, "a finite horizon will do too")
        values = _check.pairs("q", q, (mdp.n_states, mdp.n_actions), mdp.available)
    v = soft_value(values, temperature=temperature, log_reference=log_reference, available=mdp.available)
    if isinstance(mdp, FiniteHorizonMDP):
        ahead = np.array([mdp.expectation(h, [*v[1:], mdp.terminal][h]) for h in range(mdp.horizon)])
    else:
        ahead = mdp.expectation(v)
    reward: Array = values - mdp.discount * ahead
    return reward if mdp.available is None else np.where(mdp.available, reward, 0.0)
