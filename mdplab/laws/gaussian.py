r"""Gaussian laws on the line: quadratic tilts, affine images, and distances in closed form.

The family is closed under what reward weighting and transport do to it.  A quadratic tilt, which is also the normalised
product with the density of :math:`N(a,1/\lambda)`, and an affine image are

.. math::
    N(m,s^2)\,e^{-\frac\lambda2(x-a)^2}\ \propto\ N\Big(\frac{m+\lambda s^2a}{1+\lambda s^2},
    \frac{s^2}{1+\lambda s^2}\Big),\qquad \alpha X+\beta\sim N(\alpha m+\beta,\alpha^2s^2),

and between two of them

.. math::
    W_2^2=(m_1-m_2)^2+(s_1-s_2)^2,\qquad
    \mathrm{KL}(1\|2)=\log\frac{s_2}{s_1}+\frac{s_1^2+(m_1-m_2)^2}{2s_2^2}-\frac12 .

The formulas are arranged so that nothing cancels but what the answer itself is the difference of: each has a relative
error of a few units of rounding, at the size that its docstring names.

References
----------
.. [1] G. Peyre and M. Cuturi, *Computational Optimal Transport*, 2019, remark 2.31.
.. [2] C. M. Bishop, *Pattern Recognition and Machine Learning*, 2006, section 2.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["Gaussian", "gaussian_kl", "gaussian_wasserstein"]


@dataclass(frozen=True)
class Gaussian:
    """A normal law.

    Parameters
    ----------
    mean : float
        Finite.
    deviation : float
        Standard deviation, finite and positive.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    mean: float
    deviation: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise ValueError(f"mean is {self.mean}, expected a finite number")
        if not (math.isfinite(self.deviation) and self.deviation > 0):
            raise ValueError(f"deviation is {self.deviation}, expected a finite number > 0")

    @property
    def variance(self) -> float:
        """The square of the deviation."""
        return self.deviation * self.deviation

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Logarithm of the density.

        Parameters
        ----------
        x : array_like
            Places.

        Returns
        -------
        ndarray
            Of the shape of ``x``.
        """
        z = (np.asarray(x, dtype=np.float64) - self.mean) / self.deviation
        return np.asarray(-0.5 * z * z - math.log(self.deviation) - 0.5 * math.log(2 * math.pi))

    def mean_square(self, centre: float = 0.0) -> float:
        """Expected squared distance from a point.

        Parameters
        ----------
        centre : float, default 0
            The point.

        Returns
        -------
        float
            ``deviation**2 + (mean - centre)**2``.
        """
        return self.variance + (self.mean - centre) ** 2

    def affine(self, scale: float, shift: float) -> Gaussian:
        """The law of ``scale * X + shift``.

        Parameters
        ----------
        scale : float
            Not zero.
        shift : float
            Finite.

        Returns
        -------
        Gaussian

        Raises
        ------
        ValueError
            If the image is no normal law.
        """
        if not (math.isfinite(scale) and scale and math.isfinite(shift)):
            raise ValueError(f"scale, shift are {scale}, {shift}; expected finite numbers, the scale not 0")
        return Gaussian(scale * self.mean + shift, abs(scale) * self.deviation)

    def tilt(self, precision: float, centre: float) -> Gaussian:
        """The law with density in proportion to ``density(x) * exp(-precision / 2 * (x - centre)**2)``.

        Parameters
        ----------
        precision : float
            Above ``-1 / deviation**2``; negative to push away from the centre.
        centre : float
            Centre of the quadratic.

        Returns
        -------
        Gaussian
            For a precision ``>= 0`` the mean is exact up to 8 units of rounding of ``max(abs(mean), abs(centre))``, the
            deviation up to as many of itself.

        Raises
        ------
        ValueError
            If the precision is too small for the tilted density to have a finite integral, or a number is not finite.
        """
        if not math.isfinite(centre):
            raise ValueError(f"centre is {centre}, expected a finite number")
        gain = precision * self.deviation * self.deviation
        if not (math.isfinite(gain) and gain > -1):
            raise ValueError(
                f"precision is {precision}, expected a finite number above -1 / deviation**2 = {-1 / self.variance}"
            )
        share = 1 / (1 + gain)
        return Gaussian(share * self.mean + gain * share * centre, self.deviation / math.sqrt(1 + gain))


def gaussian_kl(p: Gaussian, q: Gaussian) -> float:
    """Kullback-Leibler divergence ``KL(p || q)`` of normal laws.

    Parameters
    ----------
    p, q : Gaussian
        The laws.

    Returns
    -------
    float
        In nats; the error is a few units of rounding of the divergence plus ``abs(p.deviation / q.deviation - 1)``.
    """
    distance = (p.mean - q.mean) / q.deviation
    excess = (p.deviation - q.deviation) / q.deviation
    if abs(excess) < 0.5:
        # (ratio**2 - 1) / 2 - log ratio: only the difference excess - log(1 + excess) cancels
        spread = 0.5 * excess * excess + (excess - math.log1p(excess))
    else:
        spread = 0.5 * excess * (excess + 2) - math.log(p.deviation / q.deviation)
    return 0.5 * distance * distance + spread


def gaussian_wasserstein(p: Gaussian, q: Gaussian) -> float:
    """Wasserstein distance of order 2 between normal laws.

    Parameters
    ----------
    p, q : Gaussian
        The laws.

    Returns
    -------
    float
        The root of ``(p.mean - q.mean)**2 + (p.deviation - q.deviation)**2``.
    """
    return math.hypot(p.mean - q.mean, p.deviation - q.deviation)
