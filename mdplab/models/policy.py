r"""Policies as frozen tables of log-probabilities, and the ways to write one down.

A policy is :math:`\pi(a|s)`, shape ``(S, A)``, or one for each stage, ``(H, S, A)``.  Log-probabilities are stored,
because probabilities below the smallest float still matter in ratios and divergences; where the policy was given by
probabilities these are kept beside them, bit by bit.

Parametrisations: logits (softmax), reference-action logits (the last logit is 0, no redundant direction),
log-linear :math:`\pi_\theta(a|s)\propto e^{\theta\cdot\phi(s,a)}`, mixtures, :math:`\varepsilon`-greedy,
deterministic tuples.  Operators and solvers take plain arrays; a ``Policy`` passes for the read-only array of its
probabilities in ``policy[s]``, ``policy * x``, ``policy @ x``, ``len(policy)`` and wherever NumPy converts.  Results
are arrays: a product of a policy is no policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models._base import Model
from mdplab.names import UNNAMED

__all__ = ["Policy"]

_LABELS = ("stage", "state")


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Policy(Model):
    """A stochastic policy, stationary or by stage.

    Parameters
    ----------
    log_probability : array_like (S, A) or (H, S, A)
        ``-inf`` where the probability is zero; the exponentials of a row sum to one within ``1e-9``.

    Attributes
    ----------
    log_probability : ndarray (S, A) or (H, S, A)
        Read-only.

    Raises
    ------
    ValueError
        If an entry is NaN or positive beyond rounding, or a row is no law.
    """

    log_probability: FloatArray

    def __init__(self, log_probability: ArrayLike) -> None:
        logs = v.real("log_probability", log_probability, ("S", "A"), ("H", "S", "A"))
        self._keep(logs, None, log_probability)

    def _keep(self, logs: FloatArray, probability: FloatArray | None, source: Any = None) -> None:
        wrong = np.isnan(logs) | (logs > v.COMPUTED_ROWS)
        if wrong.any():
            index = v.first(wrong)
            raise ValueError(
                f"{v.place('log_probability', index)} is {float(logs[index])}, expected the log of a probability"
            )
        name = "log_probability: the exponential of" if probability is None else "probability"
        probability = np.exp(logs) if probability is None else probability
        locked, _ = v.laws(
            name, probability, _LABELS[3 - logs.ndim :], tolerance=v.COMPUTED_ROWS, source=source
        )
        self.__dict__.update(log_probability=v.lock(logs), _probability=locked)

    @classmethod
    def from_probability(cls, probability: ArrayLike) -> Self:
        """A policy by its probabilities, which are kept as given.

        Parameters
        ----------
        probability : array_like (S, A) or (H, S, A)
            Rows are laws within ``1e-9``.

        Returns
        -------
        Policy
            Its ``probability`` equals the argument exactly.
        """
        array = v.real("probability", probability, ("S", "A"), ("H", "S", "A"))
        if not array.min() >= 0.0:
            v.bad_probability("probability", array)
        with np.errstate(divide="ignore"):
            logs: FloatArray = np.log(array)
        policy = object.__new__(cls)
        policy._keep(np.minimum(logs, 0.0), array, probability)
        return policy

    @classmethod
    def from_logits(cls, logits: ArrayLike, available: ArrayLike | None = None) -> Self:
        """Softmax of logits.

        Parameters
        ----------
        logits : array_like (S, A) or (H, S, A)
            Finite, or ``-inf`` for probability zero.
        available : array_like of bool (S, A) or (H, S, A), optional
            Actions left out get probability zero.

        Returns
        -------
        Policy
            Computed in log space; by stage where the logits or the mask are.

        Raises
        ------
        ValueError
            If a logit is NaN or ``+inf``, or a row leaves no action.
        """
        z = v.real("logits", logits, ("S", "A"), ("H", "S", "A"))
        wrong = np.isnan(z) | (z == np.inf)
        if wrong.any():
            index = v.first(wrong)
            raise ValueError(f"{v.place('logits', index)} is {float(z[index])}, expected a number or -inf")
        if available is not None:
            shape = z.shape[-2:]
            mask = v.boolean("available", available, shape, (*(z.shape[:-2] or "H"), *shape))
            z = np.where(mask, z, -np.inf)
        highest = z.max(axis=-1, keepdims=True)
        if (highest == -np.inf).any():
            index = v.first(highest[..., 0] == -np.inf)
            raise ValueError(f"logits leave no action at ({UNNAMED.place(_LABELS[3 - z.ndim :], index)})")
        shifted = z - highest
        return cls(np.minimum(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), 0.0))

    @classmethod
    def from_reference_logits(cls, logits: ArrayLike) -> Self:
        """Softmax with the logit of the last action fixed at 0.

        Parameters
        ----------
        logits : array_like (S, A-1) or (H, S, A-1)
            Logits of the other actions.

        Returns
        -------
        Policy
            On A actions.
        """
        z = v.real("logits", logits, ("S", "A"), ("H", "S", "A"))
        return cls.from_logits(np.concatenate([z, np.zeros((*z.shape[:-1], 1))], axis=-1))

    @classmethod
    def log_linear(cls, theta: ArrayLike, features: ArrayLike, available: ArrayLike | None = None) -> Self:
        """Policy proportional to ``exp(features @ theta)``.

        Parameters
        ----------
        theta : array_like (d,)
            Parameters.
        features : array_like (S, A, d)
            Features of the pairs.
        available : array_like of bool (S, A) or (H, S, A), optional
            Actions left out get probability zero.

        Returns
        -------
        Policy
            Stationary where the mask is.
        """
        parameters = v.finite("theta", theta, ("d",))
        table = v.finite("features", features, ("S", "A", parameters.shape[0]))
        return cls.from_logits(table @ parameters, available)

    @classmethod
    def deterministic(cls, actions: ArrayLike, n_actions: int) -> Self:
        """One action for each state.

        Parameters
        ----------
        actions : array_like of int (S,) or (H, S)
            The action taken.
        n_actions : int
            Number of actions A.

        Returns
        -------
        Policy
            With probabilities 0 and 1.
        """
        count = v.count("n_actions", n_actions)
        chosen = v.integers("actions", actions, 0, count - 1, ("S",), ("H", "S"))
        return cls.from_probability((chosen[..., np.newaxis] == np.arange(count)).astype(np.float64))

    @classmethod
    def uniform(cls, n_states: int, n_actions: int, available: ArrayLike | None = None) -> Self:
        """Equal probabilities of all available actions.

        Parameters
        ----------
        n_states, n_actions : int
            S and A.
        available : array_like of bool (S, A) or (H, S, A), optional
            Actions left out get probability zero.

        Returns
        -------
        Policy
            Stationary where the mask is.
        """
        shape = (v.count("n_states", n_states), v.count("n_actions", n_actions))
        return cls.from_logits(np.zeros(shape), available)

    @classmethod
    def mixture(cls, weights: ArrayLike, policies: Sequence[ArrayLike | Policy]) -> Self:
        """Mixture of action laws, state by state (not of occupancies).

        Parameters
        ----------
        weights : array_like (k,) or (S, k)
            Laws over the policies; with one row for each state these are the latents of a decoder.
        policies : sequence of k policies or arrays of probabilities
            All of one shape.

        Returns
        -------
        Policy
            ``sum_i weights[..., i] policies[i]``.
        """
        rows = [p if isinstance(p, Policy) else cls.from_probability(p) for p in policies]
        shapes = {p.probability.shape for p in rows}
        if len(shapes) != 1:
            raise ValueError(f"policies have the shapes {sorted(shapes)}, expected one or more of one shape")
        n_states = next(iter(shapes))[-2]
        w = v.real("weights", weights, (len(rows),), (n_states, len(rows)))
        w, _ = v.laws("weights", w, ("state",) if w.ndim == 2 else (), tolerance=v.COMPUTED_ROWS)
        return cls.from_probability(sum(w[..., i, np.newaxis] * p.probability for i, p in enumerate(rows)))

    def epsilon_greedy(self, epsilon: float, available: ArrayLike | None = None) -> Policy:
        """This policy with probability ``1 - epsilon``, the uniform one otherwise.

        Parameters
        ----------
        epsilon : float
            In [0, 1].
        available : array_like of bool (S, A) or (H, S, A), optional
            Where the uniform one may go.

        Returns
        -------
        Policy
            By stage where this one or the mask is.
        """
        weight = v.number("epsilon", epsilon, 0.0, 1.0)
        other = Policy.uniform(self.n_states, self.n_actions, available).probability
        return Policy.from_probability((1.0 - weight) * self.probability + weight * other)

    @property
    def probability(self) -> FloatArray:
        """Probabilities, shape of ``log_probability``, read-only."""
        result: FloatArray = self.__dict__["_probability"]
        return result

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.log_probability.shape[-2])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.log_probability.shape[-1])

    @property
    def horizon(self) -> int | None:
        """Number of stages H, or None for a stationary policy."""
        return int(self.log_probability.shape[0]) if self.log_probability.ndim == 3 else None

    @property
    def support(self) -> BoolArray:
        """Where the log-probability is finite."""
        return np.asarray(self.log_probability > -np.inf)

    @property
    def is_deterministic(self) -> bool:
        """Whether every row has a single action of positive probability."""
        return bool((np.count_nonzero(self.support, axis=-1) == 1).all())

    def actions(self) -> IntArray:
        """Most probable action of each state, the lowest index of ties.

        Returns
        -------
        ndarray of int64 (S,) or (H, S)
            For a deterministic policy, its actions.
        """
        return np.asarray(self.log_probability.argmax(axis=-1), dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Raw data for JSON.

        Returns
        -------
        dict
            ``model`` and ``log_probability``, with None for ``-inf``.
        """
        logs = self.log_probability.astype(object)
        logs[~self.support] = None
        return {"model": type(self).__name__, "log_probability": logs.tolist()}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Inverse of :meth:`to_dict`.

        Parameters
        ----------
        data : mapping
            Raw data.

        Returns
        -------
        Policy
            With the same log-probabilities.
        """
        if "log_probability" not in data:
            return super().from_dict(data)  # which says what is missing
        logs = np.array(data["log_probability"], dtype=object)
        logs[logs == None] = -np.inf  # noqa: E711 - elementwise
        return super().from_dict({**data, "log_probability": logs})

    def __getitem__(self, index: Any) -> Any:
        return self.probability[index]

    def __len__(self) -> int:
        return len(self.probability)

    def __iter__(self) -> Iterator[FloatArray]:
        return iter(self.probability)

    def __add__(self, other: ArrayLike) -> Array:
        return np.asarray(self.probability + np.asarray(other))

    def __sub__(self, other: ArrayLike) -> Array:
        return np.asarray(self.probability - np.asarray(other))

    def __rsub__(self, other: ArrayLike) -> Array:
        return np.asarray(np.asarray(other) - self.probability)

    def __mul__(self, other: ArrayLike) -> Array:
        return np.asarray(self.probability * np.asarray(other))

    def __truediv__(self, other: ArrayLike) -> Array:
        return np.asarray(self.probability / np.asarray(other))

    def __matmul__(self, other: ArrayLike) -> Any:
        return self.probability @ np.asarray(other)

    def __rmatmul__(self, other: ArrayLike) -> Any:
        return np.asarray(other) @ self.probability

    __radd__ = __add__
    __rmul__ = __mul__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.probability, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        stages = "" if self.horizon is None else f"H={self.horizon}, "
        return f"Policy({stages}S={self.n_states}, A={self.n_actions})"
