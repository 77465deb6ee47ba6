r"""Laws with finitely many rational atoms and masses, and distances between them without rounding.

The exact twin of :mod:`mdplab.laws` and :mod:`mdplab.wasserstein`: equal atoms merge because they are equal, a level is
reached or not, and :math:`W_p^p` and the squared Cramer distance are rational (their roots are balls:
``exact.sqrt(cramer_squared(p, q))``).

References
----------
.. [1] M. G. Bellemare, W. Dabney and M. Rowland, *Distributional Reinforcement Learning*, 2023, chapters 2 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import fmpq
from mdplab.exact.models import require_rational
from mdplab.exact.numbers import entries, laws, rational
from mdplab.laws import FiniteLaw

__all__ = ["RationalLaw", "cramer_squared", "wasserstein_infinity", "wasserstein_power"]


@dataclass(frozen=True, eq=False)
class RationalLaw:
    """A law on the line; :meth:`of` reads one of floats, :meth:`from_atoms` sorts and merges.

    Attributes
    ----------
    atoms : object array (n,) of fmpq
        Strictly increasing.
    masses : object array (n,) of fmpq
        Positive, with sum exactly 1.

    Raises
    ------
    ValueError
        If the arrays are not of that form.
    """

    atoms: Array
    masses: Array

    def __post_init__(self) -> None:
        if self.atoms.ndim != 1 or self.atoms.shape != self.masses.shape or not self.atoms.size:
            raise ValueError(
                f"atoms and masses have the shapes {self.atoms.shape} and {self.masses.shape}, expected (n,) twice"
            )
        require_rational("atoms", self.atoms)
        require_rational("masses", laws(self.masses))
        if not (self.masses > 0).all() or not (self.atoms[1:] > self.atoms[:-1]).all():
            raise ValueError(
                "atoms must increase and masses be positive: from_atoms sorts, merges and drops zeros"
            )

    @classmethod
    def from_atoms(cls, atoms: Any, masses: Any) -> Self:
        """Build a law from unsorted, possibly repeated atoms.

        Parameters
        ----------
        atoms : array_like (n,)
            Read by :func:`mdplab.exact.rational`.
        masses : array_like (n,)
            Read by :func:`mdplab.exact.laws`; zeros are dropped.

        Returns
        -------
        RationalLaw
        """
        places, weights = np.ravel(rational(atoms)), np.ravel(laws(masses))
        if places.shape != weights.shape:
            raise ValueError(
                f"atoms and masses have the lengths {places.size} and {weights.size}, expected one"
            )
        total: dict[Any, Any] = {}
        for atom, mass in zip(places, weights, strict=True):
            if mass != 0:
                total[atom] = total.get(atom, 0) + mass
        support = sorted(total)
        return cls(entries(support), entries([total[atom] for atom in support]))

    @classmethod
    def of(cls, law: FiniteLaw | Self) -> RationalLaw:
        """The exact twin of a law.

        Parameters
        ----------
        law : FiniteLaw or RationalLaw
            A twin is returned as it is.

        Returns
        -------
        RationalLaw
        """
        return law if isinstance(law, RationalLaw) else cls.from_atoms(law.atoms, law.masses)

    @classmethod
    def mix(cls, components: Sequence[RationalLaw], weights: Any) -> Self:
        """The mixture ``sum_i weights_i components_i``.

        Parameters
        ----------
        components : sequence of k RationalLaw
            The components.
        weights : array_like (k,)
            Read by :func:`mdplab.exact.laws`.

        Returns
        -------
        RationalLaw
        """
        shares = laws(weights)
        if shares.shape != (len(components),):
            raise ValueError(f"weights has shape {shares.shape}, expected ({len(components)},)")
        parts = [w * law.masses for law, w in zip(components, shares, strict=True)]
        return cls.from_atoms(np.concatenate([law.atoms for law in components]), np.concatenate(parts))

    def push(self, function: Callable[[Array], Any]) -> RationalLaw:
        """The law of ``function(X)``; the function maps the object array of atoms to one of the same shape."""
        return RationalLaw.from_atoms(function(self.atoms), self.masses)

    def affine(self, scale: Any, shift: Any) -> RationalLaw:
        """The law of ``scale X + shift``."""
        return self.push(lambda atoms: rational(scale) * atoms + rational(shift))

    def convolve(self, other: RationalLaw) -> RationalLaw:
        """The law of ``X + Y`` for independent X (this law) and Y (``other``)."""
        return RationalLaw.from_atoms(
            np.add.outer(self.atoms, other.atoms), np.multiply.outer(self.masses, other.masses).ravel()
        )

    def convolution_power(self, count: int) -> RationalLaw:
        """The law of the sum of ``count >= 0`` independent copies."""
        if count < 0:
            raise ValueError(f"count is {count}, expected an integer of at least 0")
        result = RationalLaw.from_atoms([0], [1])
        for _ in range(count):
            result = result.convolve(self)
        return result

    @property
    def cumulative(self) -> Array:
        """Cumulative masses, object array (n,); the last is 1."""
        return np.cumsum(self.masses)

    def cdf(self, x: Any) -> fmpq:
        """Distribution function ``P(X <= x)``."""
        return sum(self.masses[self.atoms <= rational(x)], fmpq(0))

    def quantile(self, level: Any) -> fmpq:
        """Left-continuous inverse ``min {x : F(x) >= level}``, level in [0, 1]; 0 gives the smallest atom."""
        u = rational(level)
        if not 0 <= u <= 1:
            raise ValueError(f"level is {level}, expected a number in [0, 1]")
        return self.atoms[(self.cumulative >= u).argmax()]

    def cvar(self, level: Any) -> fmpq:
        """Conditional value-at-risk of the lower tail, ``level^{-1} int_0^level F^{-1}(u) du``, level in (0, 1]."""
        u = rational(level)
        if not 0 < u <= 1:
            raise ValueError(f"level is {level}, expected a number in (0, 1]")
        ends = np.minimum(self.cumulative, u)
        return np.diff(ends, prepend=fmpq(0)) @ self.atoms / u

    def expectation(self, function: Callable[[Array], Array]) -> Any:
        """``E function(X)``: rational, or a ball where the function gives balls."""
        return (self.masses * function(self.atoms)).sum()

    def mean(self) -> fmpq:
        """``E X``."""
        return self.masses @ self.atoms

    def variance(self) -> fmpq:
        """``E (X - E X)^2``."""
        return self.masses @ (self.atoms - self.mean()) ** 2

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RationalLaw):
            return NotImplemented
        return np.array_equal(self.atoms, other.atoms) and np.array_equal(self.masses, other.masses)

    def __hash__(self) -> int:
        return hash((*self.atoms, *self.masses))

    def __repr__(self) -> str:
        shown = ", ".join(f"{x}: {m}" for x, m in zip(self.atoms, self.masses, strict=True))
        return f"RationalLaw({{{shown}}})"


def _coupled(p_law: RationalLaw, q_law: RationalLaw) -> tuple[Array, Array]:
    """Distances of equal quantiles, and their positive masses: the optimal coupling for convex costs."""
    levels = np.array(sorted({*p_law.cumulative, *q_law.cumulative}), dtype=object)
    x = p_law.atoms[np.searchsorted(p_law.cumulative, levels)]
    y = q_law.atoms[np.searchsorted(q_law.cumulative, levels)]
    return abs(x - y), np.diff(levels, prepend=fmpq(0))


def wasserstein_power(p_law: RationalLaw, q_law: RationalLaw, order: int) -> fmpq:
    """The power ``W_order ** order`` of the Wasserstein distance.

    Parameters
    ----------
    p_law, q_law : RationalLaw
        The laws.
    order : int
        At least 1.

    Returns
    -------
    fmpq
        ``int |F^{-1} - G^{-1}|^order du``; at order 1 the distance itself.

    Raises
    ------
    ValueError
        If the order is no such integer.
    """
    if order < 1 or order != int(order):
        raise ValueError(f"order is {order!r}, expected an integer of at least 1")
    gap, mass = _coupled(p_law, q_law)
    return mass @ gap**order


def wasserstein_infinity(p_law: RationalLaw, q_law: RationalLaw) -> fmpq:
    """The Wasserstein distance of order infinity, the largest gap of equal quantiles.

    Parameters
    ----------
    p_law, q_law : RationalLaw
        The laws.

    Returns
    -------
    fmpq
    """
    return _coupled(p_law, q_law)[0].max()


def cramer_squared(p_law: RationalLaw, q_law: RationalLaw) -> fmpq:
    """The squared Cramer distance ``int (F - G)^2 dx``; twice it is the energy distance.

    Parameters
    ----------
    p_law, q_law : RationalLaw
        The laws.

    Returns
    -------
    fmpq
    """
    positions = np.array(sorted({*p_law.atoms, *q_law.atoms}), dtype=object)
    gap = np.array([p_law.cdf(x) - q_law.cdf(x) for x in positions[:-1]], dtype=object)
    return (np.diff(positions) * gap**2).sum() + fmpq(0)
