"""Random points of the simplex and random policies."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.instances.draw import Draw

__all__ = [
    "POLICY_KINDS",
    "PolicyKind",
    "full_support",
    "perturbed_policy",
    "random_logits",
    "random_policy",
]

PolicyKind = Literal["dirichlet", "full", "softmax", "deterministic", "nearly deterministic"]
POLICY_KINDS: tuple[PolicyKind, ...] = (
    "dirichlet",
    "full",
    "softmax",
    "deterministic",
    "nearly deterministic",
)

_UNIFORM_SHARE = 0.1
_SMALLEST_SLIP, _LARGEST_SLIP = 1e-9, 0.1


def full_support(
    draw: Draw, shape: int | tuple[int, ...], *, concentration: float = 1.0, mixture: float = 0.02
) -> FloatArray:
    """Draw laws with full support: ``(1 - mixture) Dirichlet(concentration) + mixture * uniform``.

    Parameters
    ----------
    draw : Draw
        The engine.
    shape : int or tuple of int
        Shape of the answer; the last axis of length n sums to one.
    concentration : float, default 1
        The Dirichlet parameter, positive.
    mixture : float, default 0.02
        Weight of the uniform law, in [0, 1]; every entry is at least ``mixture / n``.

    Returns
    -------
    ndarray, shape ``shape``

    Raises
    ------
    ValueError
        If the mixture is outside [0, 1].
    """
    if not 0.0 <= mixture <= 1.0:
        raise ValueError(f"mixture: expected a weight in [0, 1], got {mixture}")
    weights = draw.weights(shape, concentration)
    law: FloatArray = (1.0 - mixture) * weights + mixture / weights.shape[-1]
    return law


def random_logits(draw: Draw, n_states: int, n_actions: int, scale: float = 1.0) -> FloatArray:
    """Draw normal logits; the policy is their softmax.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_states, n_actions : int
        Shape of the logits.
    scale : float
        Their standard deviation.

    Returns
    -------
    ndarray, shape (n_states, n_actions)
    """
    return draw.normal((n_states, n_actions), scale)


def random_policy(
    draw: Draw,
    n_states: int,
    n_actions: int,
    *,
    stages: int | None = None,
    kind: PolicyKind | tuple[PolicyKind, ...] = POLICY_KINDS,
    available: BoolArray | None = None,
) -> FloatArray:
    """Draw a policy, or one for each stage.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_states, n_actions : int
        S and A.
    stages : int, optional
        Number of stages H.
    kind : str or tuple of str
        Kinds to choose from: ``"dirichlet"``, rows Dirichlet(1); ``"full"``, nine tenths of them and a tenth of the
        uniform law; ``"softmax"`` of normal logits; ``"deterministic"``, each action equally likely; or ``"nearly
        deterministic"``, which slips to the uniform law with a probability from 1e-9 to .1, log-uniform.
    available : ndarray of bool (S, A) or (H, S, A), optional
        Actions that may be taken.  A row is conditioned on them, and uniform where that is impossible.

    Returns
    -------
    ndarray (S, A) or (H, S, A)

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    shape = (n_states, n_actions) if stages is None else (stages, n_states, n_actions)
    chosen = draw.choice((kind,) if isinstance(kind, str) else kind)
    match chosen:
        case "dirichlet":
            law = draw.weights(shape)
        case "full":
            law = full_support(draw, shape, mixture=_UNIFORM_SHARE)
        case "softmax":
            law = _softmax(draw.normal(shape))
        case "deterministic" | "nearly deterministic":
            law = np.eye(n_actions)[draw.integers(0, n_actions - 1, shape[:-1])]
        case _:
            raise ValueError(f"kind {chosen!r}: expected one of {', '.join(POLICY_KINDS)}")
    if available is not None:
        law = _conditioned(law, available)
    if chosen == "nearly deterministic":
        slip = draw.log_number(_SMALLEST_SLIP, _LARGEST_SLIP)
        free = np.ones(shape) if available is None else np.broadcast_to(available, shape)
        law = (1.0 - slip) * law + slip * free / free.sum(axis=-1, keepdims=True)
    return law


def perturbed_policy(
    draw: Draw, policy: FloatArray, *, mixture: tuple[float, float] = (0.0, 0.5), scale: float = 0.0
) -> FloatArray:
    r"""Draw a policy near another one: its logits shifted by normal ones, then a mixture with a Dirichlet(1) policy.

    Parameters
    ----------
    draw : Draw
        The engine.
    policy : ndarray (..., A)
        Probabilities.
    mixture : tuple of float
        Range of the weight of the other policy, uniform, in [0, 1].
    scale : float, default 0
        Standard deviation of the shifts of the logits.

    Returns
    -------
    ndarray (..., A)
        Where the policy is zero, only the mixture puts weight.
    """
    near = policy
    if scale:
        near = policy * np.exp(draw.normal(policy.shape, scale))
        near = near / near.sum(axis=-1, keepdims=True)
    weight = draw.number(*mixture)
    return np.asarray((1.0 - weight) * near + weight * draw.weights(policy.shape))


def _softmax(logits: FloatArray) -> FloatArray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _conditioned(law: FloatArray, available: BoolArray) -> FloatArray:
    kept = law * available
    total = kept.sum(axis=-1, keepdims=True)
    free = np.broadcast_to(available, law.shape) / available.sum(axis=-1, keepdims=True)
    return np.where(total > 0.0, kept / np.where(total > 0.0, total, 1.0), free)
