r"""Verification of laws of returns without laws: means, second moments and characteristic functions of the fixed point.

The return :math:`X_s=R+\gamma X_t` has the mean :math:`m=(I-\gamma P)^{-1}r`, the second moment that solves the like system
with :math:`\gamma^2`, and the characteristic function

.. math:: \varphi_s(\omega)=\sum_tP(s,t)\,e^{i\omega R(s,t)}\,\varphi_t(\gamma\omega),

a product of matrices that starts at :math:`\varphi(\gamma^n\omega)\approx e^{i\gamma^n\omega m}`, where nothing is left to
average.  None of them sees an atom.  A law within :math:`w_1` of the fixed point has its mean within :math:`w_1`, its
characteristic function within :math:`|\omega|w_1` (:math:`e^{i\omega x}` is Lipschitz), and the root of its second moment
within :math:`w_2` (the distance to the law at zero).  All is computed in extended precision.

References
----------
.. [1] M. G. Bellemare, W. Dabney, M. Rowland, *Distributional Reinforcement Learning*, MIT Press 2023, chapter 4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.laws.finite_law import FiniteLaw
from mdplab.models.chain import RewardProcess
from mdplab.solvers.distributional_dp import LawSolution
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _verify
from mdplab.solvers.verify_algebra import EPS, WIDE, solve_wide

__all__ = ["KINDS"]

KINDS = (LawSolution,)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""

_FINEST = 1e12
"""Frequencies go by octaves from below the inverse of the largest return to that of the bound, at most by this factor."""
_START = 1e-10
"""Largest ``gamma^n omega |X|`` at which a law is taken for its mean; the error is half its square."""


@_verify.register
def _(solution: LawSolution, model: Any) -> Verification:
    _need(model, RewardProcess, solution)
    _need_shape(solution, (len(solution.laws),), (len(model.kernel),))
    _need_claim(solution)
    kernel = np.asarray(model.kernel).astype(WIDE)
    kernel = kernel / kernel.sum(axis=1, keepdims=True)
    reward = np.where(kernel > 0, model.reward, 0.0).astype(WIDE)
    discount, n = WIDE(model.discount), len(kernel)
    bound = solution.certificate.bound
    alive = ~((np.count_nonzero(kernel, axis=1) == 1) & (np.diag(kernel) == 1) & (np.diag(reward) == 0))
    gains = (kernel * reward).sum(axis=1)
    mean, error = _evaluate(kernel, discount, gains, alive)
    # a law of the solution: atoms as they are, masses over their sum
    atoms = [law.atoms.astype(WIDE) for law in solution.laws]
    masses = [law.masses.astype(WIDE) / law.masses.astype(WIDE).sum() for law in solution.laws]
    found = np.array([m @ x for m, x in zip(masses, atoms, strict=True)])
    # no return is larger: the longest path of a chain that ends has fewer steps than states
    horizon = n if solution.ended else 1.0 / (1.0 - float(discount))
    largest = max(float(np.abs(x).max()) for x in atoms) + float(np.abs(reward).max()) * horizon
    count = max(x.size for x in atoms)
    room = 4 * (count + 8) * EPS * largest
    checks = [
        Check("masses sum to 1", max(_excess(law) for law in solution.laws), 1e-9),
        Check("means within certificate.bound", float(np.abs(found - mean).max()), bound + error + room),
    ]
    if solution.order == 2:
        square = (kernel * (reward**2 + 2 * discount * reward * mean)).sum(axis=1)
        second, error = _evaluate(kernel, discount**2, square, alive)
        length = np.sqrt(np.maximum(second, 0))
        own = np.sqrt(np.array([m @ x**2 for m, x in zip(masses, atoms, strict=True)]))
        room = float(np.sqrt(error + 8 * (count + 8) * EPS * largest**2))
        checks.append(
            Check("second moments within certificate.bound", float(np.abs(own - length).max()), bound + room)
        )
    if solution.ended:
        checks.append(Check("the chain has no cycle but absorbing states", _cycles(kernel, alive), 0.0))
    octaves = math.ceil(math.log2(min(4.0 * largest / bound, _FINEST))) if 4.0 * largest > bound > 0.0 else 12
    for omega in 0.25 * 2.0 ** np.arange(octaves + 1) / max(largest, 1e-300):
        own_phi = np.array([m @ np.exp(1j * WIDE(omega) * x) for m, x in zip(masses, atoms, strict=True)])
        phi, error = _characteristic(kernel, reward, float(discount), mean, omega, largest)
        gap = float(np.abs(own_phi - phi).max())
        allowed = omega * bound + error + (count + 8) * EPS * (1.0 + omega * largest)
        checks.append(Check(f"characteristic functions at {omega:.3g}", gap, allowed))
    return Verification("moments and characteristic functions in extended precision", tuple(checks))


def _excess(law: FiniteLaw) -> float:
    return abs(float(law.masses.sum()) - 1.0)


def _evaluate(kernel: Array, discount: Any, gains: Array, alive: Array) -> tuple[Array, float]:
    """Value of the states that are not absorbed, zero elsewhere, and its error."""
    inner = np.eye(int(alive.sum())) - discount * kernel[np.ix_(alive, alive)]
    value = np.zeros(len(kernel), dtype=WIDE)
    if not alive.any():
        return value, 0.0
    value[alive], error = solve_wide(inner, gains[alive])
    return value, error


def _cycles(kernel: Array, alive: Array) -> float:
    """1 if some path among the states that are not absorbed is as long as there are states."""
    paths = alive.astype(float)
    for _ in range(len(kernel)):
        paths = ((kernel > 0) @ paths > 0) * alive.astype(float)
    return float(paths.any())


def _characteristic(
    kernel: Array, reward: Array, discount: float, mean: Array, omega: float, largest: float
) -> tuple[Array, float]:
    """Characteristic function of the returns at one frequency, and its error."""
    steps = len(kernel)  # enough for a chain that ends
    if 0.0 < discount < 1.0:
        steps = max(math.ceil(math.log(_START / max(omega * largest, _START)) / math.log(discount)), 1)
    rates = WIDE(omega) * WIDE(discount) ** np.arange(steps + 1)
    last = float(rates[-1]) * largest if discount < 1.0 else 0.0
    phi = np.exp(1j * rates[-1] * mean) if discount < 1.0 else np.ones(len(kernel), dtype=np.clongdouble)
    for rate in rates[-2::-1]:
        phi = (kernel * np.exp(1j * rate * reward)) @ phi
    return np.asarray(phi), last**2 + steps * (len(kernel) + 16) * EPS * (1.0 + omega * largest)
