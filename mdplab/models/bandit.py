r"""One-state problems: n arms or responses with rewards and a reference policy.

The regularised problem is :math:`\max_p\sum_ip_ir_i-\tau\,\mathrm{KL}(p\|\mathrm{ref})`, with optimum
:math:`p_i\propto\mathrm{ref}_i\,e^{r_i/\tau}`.  The temperature :math:`\tau` is an argument of the functions that
solve it, not part of the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import _validate as v
from mdplab.models._base import Model

__all__ = ["Bandit"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Bandit(Model):
    """A bandit with a reference policy.

    Parameters
    ----------
    reward : array_like (n,)
        Finite expected rewards.
    reference : array_like (n,)
        Positive probabilities with sum one within ``1e-9``.
    features : array_like (n, d), optional
        Finite features of the arms.

    Attributes
    ----------
    reward : ndarray (n,)
        Read-only.
    reference : ndarray (n,)
        Read-only.
    features : ndarray (n, d) or None
        Read-only.

    Raises
    ------
    ValueError
        If a reference probability is not positive, or shapes do not fit.
    """

    reward: FloatArray
    reference: FloatArray
    features: FloatArray | None

    def __init__(self, reward: ArrayLike, reference: ArrayLike, features: ArrayLike | None = None) -> None:
        gain = v.finite("reward", reward, ("n",))
        law = v.law("reference", reference, gain.shape[0], v.COMPUTED_ROWS)
        if not law.min() > 0.0:
            raise ValueError(f"reference[{int(law.argmin())}] is 0.0, expected positive probabilities")
        table = None if features is None else v.finite("features", features, (gain.shape[0], "d"))
        self.__dict__.update(reward=gain, reference=law, features=table)

    @property
    def n_arms(self) -> int:
        """Number of arms n."""
        return int(self.reward.shape[0])

    def __repr__(self) -> str:
        features = "" if self.features is None else f", d={self.features.shape[1]}"
        return f"Bandit(n={self.n_arms}{features})"
