r"""The policy gradient of softmax policies and the Fisher information, exactly.

In the logits of a tabular softmax policy, with the normalised occupancy :math:`d`,

.. math:: \frac{\partial J}{\partial\theta_{sa}}=\frac{1}{1-\gamma}\,d(s)\,\pi(a|s)\,
          \big(Q(s,a)-\tau\log\tfrac{\pi(a|s)}{\rho(a|s)}-V(s)\big),\qquad J=\mu^\top V^\pi_\tau .

The gradient is a function of the policy, and rational where policy and model are and :math:`\tau=0`; from logits pass
``exact.softmax(logits)``, and the result is an enclosure.

References
----------
.. [1] R. S. Sutton et al., "Policy gradient methods for reinforcement learning with function approximation", NeurIPS 1999.
.. [2] S. Kakade, "A natural policy gradient", NeurIPS 2001.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.exact.discounted import policy_evaluation, state_occupancy
from mdplab.exact.linear import identity
from mdplab.exact.models import ExactMDP, Model, admitted_policy
from mdplab.exact.numbers import laws, rational
from mdplab.exact.tilt import is_regularised, log_ratio

__all__ = ["fisher_information", "policy_gradient"]


def policy_gradient(
    mdp: Model, policy: Any, *, temperature: Any = 0, log_reference: Any = None, initial: Any = None
) -> Array:
    """Gradient of the (regularised) start value in the logits of a tabular softmax policy.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model.
    policy : array_like (S, A)
        Probabilities, as for :func:`mdplab.exact.policy_evaluation`.
    temperature : number, default 0
        Non-negative; 0 gives the plain policy gradient.
    log_reference : array_like (S, A), optional
        Log-weights of the reference; default is the counting measure (entropy).
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    object array (S, A)
        Rows sum to zero; zero where the policy is zero.

    Raises
    ------
    ValueError
        If the policy is no policy of the model, leaves the support of the reference, or there is no start law.
    """
    twin = ExactMDP.of(mdp)
    rows = admitted_policy(policy, twin.available)
    value = policy_evaluation(twin, rows, temperature=temperature, log_reference=log_reference).value
    weight = state_occupancy(twin, rows, initial=initial, normalised=False)[:, np.newaxis] * rows
    advantage: Array = twin.lookahead(value) - value[:, np.newaxis]
    if is_regularised(temperature):
        advantage = advantage - rational(temperature) * log_ratio(rows, log_reference)
    return weight * advantage


def fisher_information(policy: Any, *, state_occupancy: Any) -> Array:
    """Fisher information of a tabular softmax policy, state by state.

    Parameters
    ----------
    policy : array_like (S, A)
        Probabilities, rationals or balls.
    state_occupancy : array_like (S,)
        Weights of the states, as a rule the normalised occupancy.

    Returns
    -------
    object array (S, A, A)
        ``d(s) (diag(pi_s) - pi_s pi_s^T)``, the diagonal blocks; the others are zero.
    """
    rows = laws(policy)
    weights = rational(state_occupancy)[:, np.newaxis, np.newaxis]
    diagonal = rows[:, :, np.newaxis] * identity(rows.shape[1])
    blocks: Array = weights * (diagonal - rows[:, :, np.newaxis] * rows[:, np.newaxis, :])
    return blocks
