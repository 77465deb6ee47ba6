r"""Uncertainty of linear MDPs, factor by factor.

A linear MDP with simplex features mixes d laws of the next state, :math:`P(\cdot|s,a)=\sum_i\phi_i(s,a)\mu_i`.  In a
*d-rectangular* set every :math:`\mu_i` varies by itself, so that the worst case is again linear in the features and its
minimiser serves all pairs at once.  One-hot features (d = S A) give the usual rectangular sets.

References
----------
.. [1] Z. Liu, P. Xu, "Distributionally robust off-dynamics reinforcement learning: provable efficiency with linear
   function approximation", AISTATS 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import _validate as v
from mdplab.models._base import Model
from mdplab.models.linear import LinearMDP

__all__ = ["RectangularUncertainty"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class RectangularUncertainty(Model):
    r"""A d-rectangular uncertainty of a linear MDP: every factor :math:`\mu_i` may change by itself.

    Either each factor stays in a ball, :math:`D(\mu_i'\|\mu_i)\le\mathrm{radius}_i`, or its change costs
    :math:`\mathrm{strength}_i\,D(\mu_i'\|\mu_i)`.

    Parameters
    ----------
    model : LinearMDP
        The nominal model, with simplex features; the factors are its k features with a measure (``model.factors``).
    divergence : {"total-variation", "kl", "chi-square"}
        The divergence D, by its name in :mod:`mdplab.divergences`.
    radius : float or array_like (k,) or (H, k), optional
        Non-negative radius of each factor.
    strength : float or array_like (k,) or (H, k), optional
        Positive price of each factor's divergence; exactly one of the two is given.

    Attributes
    ----------
    model : LinearMDP
        As given.
    divergence : str
        As given.
    radius, strength : ndarray (k,) or (H, k), or None
        Read-only; one of them is None.

    Raises
    ------
    ValueError
        If the features are not in the simplex, or not exactly one of radius and strength is given in its range.
    """

    model: LinearMDP
    divergence: Literal["total-variation", "kl", "chi-square"]
    radius: FloatArray | None
    strength: FloatArray | None

    def __init__(
        self,
        model: LinearMDP,
        divergence: Literal["total-variation", "kl", "chi-square"],
        *,
        radius: ArrayLike | None = None,
        strength: ArrayLike | None = None,
    ) -> None:
        if not model.has_simplex_features:
            raise ValueError("model: d-rectangular sets need features and measures that are laws")
        if divergence not in ("total-variation", "kl", "chi-square"):
            raise ValueError(
                f"divergence is {divergence!r}, expected 'total-variation', 'kl' or 'chi-square'"
            )
        if (radius is None) == (strength is None):
            raise ValueError("give exactly one of radius and strength")
        name, given = ("radius", radius) if strength is None else ("strength", strength)
        assert given is not None
        d, stages = len(model.factors), model.horizon
        if np.ndim(given) == 0:
            given = np.full(d, np.asarray(given, dtype=np.float64))
        array = v.finite(name, given, (d,), *(() if stages is None else ((stages, d),)))
        if array.min() < 0.0 or (name == "strength" and array.min() == 0.0):
            index = v.first(array == array.min())
            wanted = ">= 0" if name == "radius" else "> 0"
            raise ValueError(f"{v.place(name, index)} is {float(array[index])!r}, expected a number {wanted}")
        self.__dict__.update(model=model, divergence=divergence, radius=None, strength=None)
        self.__dict__[name] = array

    def to_dict(self) -> dict[str, Any]:
        """Raw data for JSON.

        Returns
        -------
        dict
            ``model`` (the name of the class), ``nominal`` (the raw data of the linear MDP), ``divergence``, and ``radius``
            or ``strength``.
        """
        name, numbers = ("radius", self.radius) if self.strength is None else ("strength", self.strength)
        assert numbers is not None
        return {
            "model": type(self).__name__,
            "nominal": self.model.to_dict(),
            "divergence": self.divergence,
            name: numbers.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`.

        Parameters
        ----------
        data : mapping
            Raw data.

        Returns
        -------
        RectangularUncertainty
            Of the same numbers.

        Raises
        ------
        ValueError
            If the data are those of another class, have an unknown key or lack one, or are invalid.
        """
        if data.get("model", cls.__name__) != cls.__name__:
            raise ValueError(f"data describe a {data['model']}, expected a {cls.__name__}")
        known = {"model", "nominal", "divergence", "radius", "strength"}
        for key in ("nominal", "divergence"):
            if key not in data:
                raise ValueError(f"data lack the key {key!r} of a {cls.__name__}")
        for key in data:
            if key not in known:
                raise ValueError(
                    f"data have the unknown key {key!r}, expected some of {', '.join(sorted(known))}"
                )
        return cls(
            LinearMDP.from_dict(data["nominal"]),
            data["divergence"],
            radius=data.get("radius"),
            strength=data.get("strength"),
        )

    def __repr__(self) -> str:
        kind = "radius" if self.radius is not None else "strength"
        return f"RectangularUncertainty({self.model!r}, {self.divergence}, by {kind})"
