r"""Divergence of the path laws of two policies in a finite horizon.

Start and kernel cancel in the ratio of the laws of :math:`(s_0,a_0,\dots,s_H)` under two stage policies, so that

.. math:: \mathrm{KL}(P^\pi\|P^\rho)=E_\pi\sum_{h<H}\mathrm{KL}\big(\pi_h(\cdot|s_h)\,\|\,\rho_h(\cdot|s_h)\big):

one forward sweep of the first policy in the place of a sum over all paths.  Not discounted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models._kernel import STAGED
from mdplab.models._validate import first
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.operators.occupancy import stage_laws
from mdplab.operators.tilt import _kl_from_log

__all__ = ["path_kl"]


def path_kl(
    mdp: FiniteHorizonMDP,
    log_policy: ArrayLike,
    log_reference: ArrayLike,
    *,
    initial: ArrayLike | None = None,
) -> float:
    """``kl`` of the path law of a policy from that of another, by the chain rule.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model; rewards and discount play no part.
    log_policy : array_like (H, S, A) or (S, A)
        Log-probabilities per stage, or of one policy for all stages; ``-inf`` at unavailable pairs.
    log_reference : array_like (H, S, A) or (S, A)
        Log-probabilities of the other policy; log-weights that are not normalised count as they are.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    float
        Sum over stages and states of the law of the state times ``kl(policy, reference)`` there; ``inf`` where the
        policy takes an action, in a state that it reaches, that the reference never takes.

    Raises
    ------
    ValueError
        If a shape does not fit, ``log_policy`` is no policy of the model or ``log_reference`` holds NaN or ``+inf``.

    References
    ----------
    .. [1] D. Tiapkin, D. Belomestny, D. Calandriello, E. Moulines, A. Naumov, P. Perrault, M. Valko, P. Menard,
       "Demonstration-regularized RL", ICLR 2024 (trajectory divergence).
    """
    logs = _stage_logs(mdp, "log_policy", log_policy)
    others = _stage_logs(mdp, "log_reference", log_reference)
    rows = np.exp(logs)
    law = stage_laws(mdp, rows, initial=initial)[:-1]
    reached = law > 0
    return float(law[reached] @ _kl_from_log(rows, others, logs)[reached])


def _stage_logs(mdp: FiniteHorizonMDP, name: str, logs: ArrayLike) -> FloatArray:
    """Real logarithms ``(H, S, A)``, below ``+inf``."""
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    array = _check.numeric(name, logs)
    if array.shape not in (shape, shape[1:]) or np.iscomplexobj(array):
        raise ValueError(
            f"{name} must be real of shape (S, A) = {shape[1:]} or (H, S, A) = {shape}; got {array.dtype} {array.shape}"
        )
    wrong = ~(array < np.inf)
    if wrong.any():
        pair = first(wrong)
        where = mdp.names.place(STAGED[-len(pair) :], pair)
        raise ValueError(f"{name} is {array[pair]} at {where}; expected the logarithm of a probability")
    return np.broadcast_to(array, shape)
