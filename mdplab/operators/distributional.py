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

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.laws.atoms import MAX_ATOMS, check_max_atoms, check_merge
from mdplab.laws.finite_law import FiniteLaw
from mdplab.operators import _check

if TYPE_CHECKING:
    from mdplab.models.chain import RewardProcess
    from mdplab.models.outcome import OutcomeModel

Mixture: TypeAlias = tuple[IntArray, FloatArray, FloatArray]
"""Places of laws, their weights, and what is added to their atoms."""

__all__ = ["backup_laws", "distributional_backup", "greedy_distributional_backup", "mixed_laws"]


def backup_laws(
    kernel: FloatArray,
    reward: FloatArray,
    discount: float,
    laws: Sequence[FiniteLaw],
    *,
    merge: float = 0.0,
    max_atoms: int = MAX_ATOMS,
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
    max_atoms : int, default 10_000_000
        Cap on the atoms of a law before merging.

    Returns
    -------
    list of FiniteLaw, length S
        ``(T eta)(s)``.

    Raises
    ------
    ValueError
        If the number of laws is not that of the successors, or the cap is exceeded.
    """
    if len(laws) != kernel.shape[1]:
        raise ValueError(f"laws: expected one law for each of {kernel.shape[1]} states, got {len(laws)}")
    successors = [np.flatnonzero(row) for row in kernel]
    return mixed_laws(
        [(t, row[t], gain[t]) for t, row, gain in zip(successors, kernel, reward, strict=True)],
        discount,
        laws,
        merge,
        max_atoms,
    )


def mixed_laws(
    mixtures: Sequence[Mixture],
    discount: float,
    laws: Sequence[FiniteLaw],
    merge: float,
    max_atoms: int = MAX_ATOMS,
) -> list[FiniteLaw]:
    """Laws of ``r + discount X`` with r and the law of X drawn together, many mixtures at a time.

    Parameters
    ----------
    mixtures : sequence of (ndarray of int, ndarray, ndarray), each of shape (k,)
        For each mixture the places of its laws, their positive weights, and what is added to their atoms.
    discount : float
        Factor of the atoms, >= 0.
    laws : sequence of FiniteLaw
        The laws.
    merge : float
        Absolute width within which atoms are merged.
    max_atoms : int, default 10_000_000
        Cap on the atoms of a mixture before merging.

    Returns
    -------
    list of FiniteLaw
        One for each mixture.

    Raises
    ------
    ValueError
        If the cap is exceeded.
    """
    from mdplab._kernels import laws as kernels  # compiled code is loaded when it is first needed

    starts = np.cumsum([0, *(len(places) for places, _, _ in mixtures)])
    children, weight, gain = (np.concatenate(part) for part in zip(*mixtures, strict=True))
    sizes = np.array([law.n_atoms for law in laws])
    parts = sizes[children]
    for i, most in enumerate(np.add.reduceat(parts, starts[:-1]).tolist()):
        check_max_atoms(most, max_atoms, f"atoms of law {i} before merging")
    created = int(parts.sum())
    ends, atoms, masses = np.empty(starts.size, dtype=np.int64), np.empty(created), np.empty(created)
    kernels.mixed_laws(
        starts,
        children.astype(np.int64),
        weight.astype(np.float64),
        gain.astype(np.float64),
        float(discount),
        np.concatenate(([0], np.cumsum(sizes))),
        np.concatenate([law.atoms for law in laws]),
        np.concatenate([law.masses for law in laws]),
        float(merge),
        ends,
        atoms,
        masses,
    )
    return [
        FiniteLaw._trusted(atoms[i:j].copy(), masses[i:j].copy())
        for i, j in itertools.pairwise(ends.tolist())
    ]


def distributional_backup(
    process: RewardProcess, laws: Sequence[FiniteLaw], *, merge: float = 0.0, max_atoms: int = MAX_ATOMS
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
    max_atoms : int, default 10_000_000
        Cap on the atoms of a law before merging.

    Returns
    -------
    list of FiniteLaw, length S
        ``T eta``; in sup-w_p the map contracts with modulus ``discount`` for every p in [1, inf].

    Raises
    ------
    ValueError
        If the number of laws is not S, ``merge`` is negative, or the cap is exceeded.

    References
    ----------
    Bellemare, Dabney, Munos 2017, arXiv:1707.06887, lemma 3.
    """
    kernel = np.asarray(process.kernel, dtype=np.float64)
    reward = np.asarray(process.reward, dtype=np.float64)
    discount = float(process.discount)
    return backup_laws(kernel, reward, discount, laws, merge=check_merge(merge), max_atoms=max_atoms)


def greedy_distributional_backup(
    model: OutcomeModel,
    laws: Sequence[Sequence[FiniteLaw]],
    *,
    discount: float,
    tie_tolerance: float = 0.0,
    merge: float = 0.0,
    max_atoms: int = MAX_ATOMS,
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
    merge, max_atoms
        As in :func:`distributional_backup`.

    Returns
    -------
    list of S lists of A FiniteLaw
        ``T* Z``.

    Raises
    ------
    ValueError
        If ``laws`` is not S by A, the discount is not in [0, 1], a tolerance or ``merge`` is negative, rewards are vectors, or
        the cap is exceeded.

    References
    ----------
    Bellemare, Dabney, Munos 2017, arXiv:1707.06887, proposition 1.
    """
    _check.number("discount", discount, 0.0, 1.0)
    _check.non_negative("tie_tolerance", tie_tolerance)
    if model.has_vector_rewards:
        raise ValueError("model: expected scalar rewards, got vectors")
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
    outcomes = [np.flatnonzero(row) for row in law.reshape(n_states * n_actions, -1)]
    flat = (x.reshape(n_states * n_actions, -1) for x in (law, gain, successor))
    mixtures = [
        (next_state[o], weight[o], r[o]) for o, weight, r, next_state in zip(outcomes, *flat, strict=True)
    ]
    backed = mixed_laws(mixtures, discount, greedy, check_merge(merge), max_atoms)
    return [backed[s * n_actions : (s + 1) * n_actions] for s in range(n_states)]
