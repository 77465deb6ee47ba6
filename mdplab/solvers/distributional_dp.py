"""Distributional evaluation: laws of the discounted return of a Markov reward process.

From ``eta_0(s) = delta_0`` the backup T of :mod:`mdplab.operators.distributional` is iterated; ``eta_k(s)`` is the
law of the return of the first k transitions from s.  T contracts ``sup_s w_p`` with modulus gamma, so with the unique
fixed point eta*

    sup w_p(eta_k, eta*) <= gamma^k / (1 - gamma) sup w_p(eta_1, eta_0)              (a priori),
    sup w_p(eta_k, eta*) <= gamma / (1 - gamma) sup w_p(eta_k, eta_{k-1})            (a posteriori).

*Ending.*  Where the transitions of positive probability have no cycle but self-loops of probability 1 and reward 0,
eta* has finite support and ``eta_k = eta*`` once k reaches the length of the longest path; the bound is then rounding
alone, and the discount may be 1.

*Rounding.*  Computed and exact backup differ by at most eps_k in ``w_p``: the merging width, the rounding of
``r + gamma x`` (these move atoms), and the error delta of the masses (products, sums, accepted deviations of row
sums), which costs ``delta^{1/p}`` times the range of the atoms.  The a posteriori bound becomes
``(gamma w_p(eta_k, eta_{k-1}) + eps_k) / (1 - gamma)``; to the a priori bound and to an ended chain
``sum_j gamma^{k-j} eps_j`` is added.  For ``p = inf`` no power of delta helps: a mass of 1e-16 too much can sit at
the other end of the range, so orders 1 and 2 are certified only.

References
----------
M. G. Bellemare, W. Dabney, R. Munos, *A distributional perspective on reinforcement learning*, ICML 2017,
arXiv:1707.06887, lemma 3.
M. G. Bellemare, W. Dabney, M. Rowland, *Distributional Reinforcement Learning*, MIT Press 2023, chapter 4.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.laws.atoms import MAX_ATOMS
from mdplab.laws.finite_law import FiniteLaw
from mdplab.operators import _check
from mdplab.operators.distributional import backup_laws
from mdplab.solution import Certificate, ConvergenceWarning, Layout, Solution, Status
from mdplab.wasserstein import wasserstein_with_error

if TYPE_CHECKING:
    from mdplab.models.chain import RewardProcess

__all__ = ["LawSolution", "distributional_evaluation", "longest_path"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class LawSolution(Solution):
    """Laws of the return, one per state; its table has a row a state.

    Attributes
    ----------
    laws : tuple of FiniteLaw, length S
        The iterate ``eta_k``.
    ended : bool
        Whether the chain is acyclic and the iterate is its fixed point up to rounding.
    order : int
        Order of the Wasserstein distance of the certificate.
    """

    laws: tuple[FiniteLaw, ...]
    ended: bool
    order: int

    def _layout(self) -> Layout:
        ends = np.array([law.atoms[[0, -1]] for law in self.laws])
        atoms = np.array([law.n_atoms for law in self.laws])
        variance = np.array([law.variance() for law in self.laws])
        return ("state",), {
            "mean": self.means,
            "variance": variance,
            "least": ends[:, 0],
            "most": ends[:, 1],
            "atoms": atoms,
        }

    @property
    def means(self) -> FloatArray:
        """Expected return of each state, shape (S,)."""
        return np.array([law.mean() for law in self.laws])


def longest_path(kernel: FloatArray, reward: FloatArray) -> int | None:
    """Number of backups after which an acyclic process is at its fixed point.

    Parameters
    ----------
    kernel, reward : ndarray, shape (S, S)
        Transition probabilities and rewards on transitions.

    Returns
    -------
    int or None
        Length of the longest path to an absorbing state of reward 0; None if the process has another cycle.
    """
    absorbing = (np.count_nonzero(kernel, axis=1) == 1) & (np.diag(kernel) > 0.0) & (np.diag(reward) == 0.0)
    alive = ~absorbing
    length = 0
    while alive.any():
        # States all of whose successors are settled are settled one step later.
        settled = alive & ~np.any(kernel[:, alive] > 0.0, axis=1)
        if not settled.any():
            return None
        alive &= ~settled
        length += 1
    return length


@interruptible
def distributional_evaluation(
    process: RewardProcess,
    steps: int | None = None,
    *,
    tol: float = 1e-8,
    order: int = 1,
    merge: float = 1e-12,
    max_atoms: int = 100_000,
    initial_laws: Sequence[FiniteLaw] | None = None,
    callback: Callable[[int, float], Any] | None = None,
) -> LawSolution:
    """Iterate the distributional backup and bound the distance to the fixed point.

    Parameters
    ----------
    process : RewardProcess
        Kernel ``(S, S)``, rewards on transitions ``(S, S)``, discount in [0, 1] (1 is certified for chains that end).
    steps : int or None
        Number of backups, >= 0.  An acyclic process started from the default stops at its longest path, where further
        backups change nothing.  None: until the bound is at most ``tol``, or the chain has ended.
    tol : float, default 1e-8
        Wanted bound on the distance; decides the status, and with ``steps=None`` the end.
    order : {1, 2}, default 1
        Order of the Wasserstein distance of the certificate.
    merge : float, default 1e-12
        Absolute width within which atoms are merged after each backup; enters the bound.
    max_atoms : int, default 100_000
        Cap on the number of atoms a backup may create in one state, before merging (and on those of all states together, if
        it is larger than 10_000_000, which is the cap otherwise).  The run ends before the first
        backup that would exceed it, with the laws reached so far, their bound, and a ``ConvergenceWarning`` that
        says at which step and state.
    initial_laws : sequence of FiniteLaw, length S, optional
        ``eta_0`` in place of ``delta_0``.
    callback : callable, optional
        ``callback(step, residual)`` with the residual ``sup w_order(eta_k, eta_{k-1})`` after each backup; a true answer ends
        the run with the laws reached.

    Returns
    -------
    LawSolution
        ``laws``, ``ended``; ``certificate.bound`` bounds ``sup_s w_order(laws[s], eta*(s))``, ``residuals`` holds
        ``sup w_order(eta_k, eta_{k-1})``.  Status CONVERGED if the bound is at most ``tol``, PRECISION_LIMIT if its
        rounding part alone exceeds ``tol``, INTERRUPTED by the callback or Ctrl-C, UNCERTIFIED if the discount is 1 and the chain has not ended, MAX_STEPS
        otherwise; where ``max_atoms`` ended the run, ``steps`` is the number of backups done.

    Raises
    ------
    ValueError
        For arguments out of range, and if ``steps`` is None and the discount is 1 on a chain that does not end.

    References
    ----------
    Bellemare, Dabney, Munos 2017, arXiv:1707.06887, lemma 3.
    """
    kernel = np.asarray(process.kernel, dtype=np.float64)
    reward = np.asarray(process.reward, dtype=np.float64)
    discount = float(process.discount)
    n_states = kernel.shape[0]
    if order not in (1, 2):
        raise ValueError(
            f"order: expected 1 or 2, got {order!r}; order inf has no bound that survives rounded masses"
        )
    if steps is not None:
        _check.count("steps", steps, 0)
    _check.count("max_atoms", max_atoms)
    _check.non_negative("tol", tol, positive=True)
    _check.non_negative("merge", merge)
    # Absorbing states keep delta_0 but not another start, so only the default start ends early.
    depth = longest_path(kernel, reward) if initial_laws is None else None
    if steps is None and depth is None and discount >= 1.0:
        raise ValueError(
            "steps: expected a number of steps, because the chain does not end and the discount is 1"
        )
    laws = [FiniteLaw.dirac(0.0)] * n_states if initial_laws is None else list(initial_laws)

    residuals: list[float] = []
    first = accumulated = 0.0
    bound, rounding = (0.0, 0.0) if depth == 0 else (math.inf, 0.0)
    step = 0
    refused, interrupted = "", False
    while step != steps and step != depth:
        if refused := _over_cap(kernel, laws, max_atoms, step + 1):
            break
        previous, laws = laws, backup_laws(kernel, reward, discount, laws, merge=merge)
        step += 1
        local = _backup_error(kernel, reward, discount, previous, laws, merge, order)
        accumulated = discount * accumulated + local
        residual, distance_error = _residual(laws, previous, order)
        residuals.append(residual)
        if step == 1:
            first = residual + distance_error + local
        if step == depth:
            bound = rounding = accumulated
        elif discount < 1.0:
            posteriori = (local + discount * distance_error) / (1.0 - discount)
            bound, rounding = min(
                (posteriori + discount * residual / (1.0 - discount), posteriori),
                (accumulated + discount**step * first / (1.0 - discount), accumulated),
            )
            bound, rounding = bound * (1 + 16 * _EPS), rounding * (1 + 16 * _EPS)
        interrupted = asked(callback, step, residual)
        # With no prescribed number of steps: done, or rounding keeps the bound above tol.
        if steps is None and depth is None and (bound <= tol or (rounding > tol and residual <= rounding)):
            break
        if interrupted:
            break
    if bound <= tol:
        status = Status.CONVERGED
    elif interrupted and step != depth:
        status = Status.INTERRUPTED
    elif math.isinf(bound):
        status = Status.UNCERTIFIED if discount >= 1.0 else Status.MAX_STEPS
    else:
        status = Status.PRECISION_LIMIT if rounding > tol and not refused else Status.MAX_STEPS
    if refused:
        warnings.warn(
            f"distributional_evaluation: {refused}; the laws of {step} backups are returned, with bound {bound:.3g}: "
            "raise max_atoms, widen merge, or ask for fewer steps or a larger tol",
            ConvergenceWarning,
            stacklevel=2,
        )
    ended = depth is not None and step == depth
    theorem = (
        "an acyclic process is at its fixed point after its longest path"
        if ended
        else ("T contracts sup-w_p with modulus discount (Bellemare, Dabney, Munos 2017, lemma 3)")
    )
    certificate = Certificate(
        f"sup over states of w_{order}(laws, laws of the return)", bound, theorem, rounding
    )
    return LawSolution(
        status=status,
        certificate=certificate,
        steps=step,
        residuals=np.array(residuals),
        laws=tuple(laws),
        ended=ended,
        order=int(order),
        names=process.names,
    )


def _over_cap(kernel: FloatArray, laws: Sequence[FiniteLaw], max_atoms: int, step: int) -> str:
    """What the next backup would create beyond the cap; empty where it stays below."""
    created = (kernel > 0.0) @ np.array([law.n_atoms for law in laws])
    worst = int(np.argmax(created))
    together = max(max_atoms, MAX_ATOMS)
    if created.sum() > together:
        return f"backup {step} would create {int(created.sum())} atoms in all states, more than {together}"
    if created[worst] <= max_atoms:
        return ""
    return f"backup {step} would create {int(created[worst])} atoms in state {worst}, more than max_atoms = {max_atoms}"


def _residual(laws: Sequence[FiniteLaw], previous: Sequence[FiniteLaw], order: int) -> tuple[float, float]:
    pairs = [wasserstein_with_error(new, old, order) for new, old in zip(laws, previous, strict=True)]
    return max(distance for distance, _ in pairs), max(error for _, error in pairs)


def _backup_error(
    kernel: FloatArray,
    reward: FloatArray,
    discount: float,
    before: Sequence[FiniteLaw],
    after: Sequence[FiniteLaw],
    merge: float,
    order: int,
) -> float:
    """Bound on sup w_order between the computed backup and the exact one of the normalised laws and rows."""
    created = (kernel > 0.0) @ np.array([law.n_atoms for law in before])
    delta = (
        (kernel.shape[1] + 2) * _EPS
        + np.abs(kernel.sum(axis=1) - 1.0)
        + max(abs(float(law.masses.sum()) - 1.0) + 2 * law.n_atoms * _EPS for law in before)
        + (created + 4) * _EPS
    )
    largest = max(float(np.abs(law.atoms[[0, -1]]).max()) for law in before)
    gains = float(np.abs(reward[kernel > 0.0]).max(initial=0.0))
    # r + gamma x: two roundings; a merged position: a few more; then the width of the groups.
    moved = merge + 8 * _EPS * (gains + discount * largest)
    ranges = np.array([float(np.ptp(law.atoms)) for law in after]) + 2.0 * moved
    spread: float = float(np.max(ranges * (2.0 * delta) ** (1.0 / order)))
    return moved + spread
