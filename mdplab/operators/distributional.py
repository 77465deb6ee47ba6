"""Distributional backups: the maps whose fixed points are laws of returns, not only their means.

For a Markov reward process with kernel ``P[s,t]``, rewards ``R[s,t]`` on transitions and discount ``gamma``,

    (T eta)(s) = sum_t P[s,t] law(R[s,t] + gamma X_t),      X_t ~ eta(t),

is linear in each law under mixtures and satisfies ``sup_s w_p(T eta, T eta') <= gamma sup_s w_p(eta, eta')`` for
every p in [1, inf]: a push-forward by ``x -> r + gamma x`` scales the distance by gamma, and mixing with common
weights does not increase it.  It does not contract in total variation (ratio 1 for one state with reward 0).

For control the backup that is greedy with respect to the means,

    (T* Z)(s,a) = law(r(o) + gamma X),      o ~ law[s,a],  X ~ Z(t, argmax_b mean Z(t,b)),  t = next state of o,

contracts the means but expands every ``w_p``: an arbitrarily small change of the means exchanges the laws of two
actions.

References
----------
M. G. Bellemare, W. Dabney, R. Munos, *A distributional perspective on reinforcement learning*, ICML 2017,
arXiv:1707.06887, lemma 3 (contraction) and proposition 1 (no contraction for control).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mdplab._typing import FloatArray
from mdplab.laws.finite_law import FiniteLaw

if TYPE_CHECKING:
    from mdplab.models.chain import RewardProcess
    from mdplab.models.outcome import OutcomeModel

__all__ = ["backup_laws", "distributional_backup", "greedy_distributional_backup"]


def backup_laws(
    kernel: FloatArray, reward: FloatArray, discount: float, laws: Sequence[FiniteLaw], *, merge: float = 0.0
) -> list[FiniteLaw]:
    """Distributional evaluation backup on plain arrays; nothing but the number of laws is checked.

    Parameters
    ----------
    kernel : ndarray, shape (S, S')
        ``P[s,t]``; rows are laws of the successor.
    reward : ndarray, shape (S, S')
        Reward of the transition from s to t.
    discount : float
        Factor of the successor's law.
    laws : sequence of FiniteLaw, length S'
        Laws of the successors.
    merge : float, default 0
        Absolute width within which atoms are merged (rule of :mod:`mdplab.laws.finite_law`).

    Returns
    -------
    list of FiniteLaw, length S
        ``(T eta)(s)``.

    Raises
    ------
    ValueError
        If the number of laws is not that of the successors.
    """
    if len(laws) != kernel.shape[1]:
        raise ValueError(f"laws: expected one law for each of {kernel.shape[1]} states, got {len(laws)}")
    sizes = np.array([law.n_atoms for law in laws])
    owner = np.repeat(np.arange(len(laws)), sizes)
    scaled = discount * np.concatenate([law.atoms for law in laws])
    masses = np.concatenate([law.masses for law in laws])
    full = bool(np.all(kernel > 0.0))
    result = []
    for row, gain in zip(kernel, reward, strict=True):
        # Successors of probability zero are left out before the sort: rows are often sparse.
        if full:
            result.append(FiniteLaw._merged(gain[owner] + scaled, row[owner] * masses, merge))
            continue
        kept = np.flatnonzero(row[owner])
        who = owner[kept]
        result.append(FiniteLaw._merged(gain[who] + scaled[kept], row[who] * masses[kept], merge))
    return result


def distributional_backup(
    process: RewardProcess, laws: Sequence[FiniteLaw], *, merge: float = 0.0
) -> list[FiniteLaw]:
    """Distributional evaluation backup ``(T eta)(s) = sum_t P[s,t] law(R[s,t] + gamma X_t)``.

    Parameters
    ----------
    process : RewardProcess
        Kernel ``(S, S)``, rewards on transitions ``(S, S)`` and discount.
    laws : sequence of FiniteLaw, length S
        ``eta``, one law per state.
    merge : float, default 0
        Absolute width within which atoms are merged; no mass moves further.

    Returns
    -------
    list of FiniteLaw, length S
        ``T eta``; in sup-w_p the map contracts with modulus ``discount`` for every p in [1, inf].

    Raises
    ------
    ValueError
        If the number of laws is not S.

    References
    ----------
    Bellemare, Dabney, Munos 2017, arXiv:1707.06887, lemma 3.
    """
    kernel = np.asarray(process.kernel, dtype=np.float64)
    reward = np.asarray(process.reward, dtype=np.float64)
    return backup_laws(kernel, reward, float(process.discount), laws, merge=merge)


def greedy_distributional_backup(
    model: OutcomeModel,
    laws: Sequence[Sequence[FiniteLaw]],
    *,
    discount: float,
    tie_tolerance: float = 0.0,
    merge: float = 0.0,
) -> list[list[FiniteLaw]]:
    """Distributional control backup, greedy by mean; not a contraction.

    Parameters
    ----------
    model : OutcomeModel
        Outcome law ``(S, A, O)`` with rewards and next states of the outcomes.
    laws : sequence of S sequences of A FiniteLaw
        ``Z(s, a)``.
    discount : float, in [0, 1]
        Factor of the successor's law.
    tie_tolerance : float, default 0
        Of the actions whose mean is within this of the largest, the lowest index is taken.
    merge : float, default 0
        As in :func:`distributional_backup`.

    Returns
    -------
    list of S lists of A FiniteLaw
        ``T* Z``.

    Raises
    ------
    ValueError
        If ``laws`` is not S by A.

    References
    ----------
    Bellemare, Dabney, Munos 2017, arXiv:1707.06887, proposition 1.
    """
    law = np.asarray(model.law, dtype=np.float64)
    n_states, n_actions, _ = law.shape
    if len(laws) != n_states or any(len(row) != n_actions for row in laws):
        raise ValueError(
            f"laws: expected {n_states} rows of {n_actions} laws, got rows {[len(row) for row in laws]}"
        )
    gain = np.broadcast_to(model.outcome_reward, law.shape)
    successor = np.broadcast_to(model.next_state, law.shape)
    greedy = []
    for row in laws:
        means = np.array([z.mean() for z in row])
        greedy.append(row[int(np.flatnonzero(means >= means.max() - tie_tolerance)[0])])
    result: list[list[FiniteLaw]] = []
    for s in range(n_states):
        backed = []
        for a in range(n_actions):
            outcomes = np.flatnonzero(law[s, a] > 0.0)
            parts = [greedy[t] for t in successor[s, a, outcomes]]
            backed.extend(
                backup_laws(
                    law[s, a, outcomes][None], gain[s, a, outcomes][None], discount, parts, merge=merge
                )
            )
        result.append(backed)
    return result
