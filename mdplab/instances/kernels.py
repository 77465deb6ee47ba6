"""Random kernels and masks: what the families of decision processes and chains share."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.instances.draw import Draw
from mdplab.instances.policies import full_support

__all__ = ["KERNEL_KINDS", "KernelKind", "random_kernel", "random_mask", "sparse_rows"]

KernelKind = Literal["dense", "sparse", "deterministic", "absorbing", "ergodic"]
KERNEL_KINDS: tuple[KernelKind, ...] = ("dense", "sparse", "deterministic", "absorbing", "ergodic")

_MOST_SUCCESSORS = 3
_ABSORBING_SHARE = 0.3
_UNIFORM_SHARE = 0.1


def random_kernel(
    draw: Draw,
    n_states: int,
    n_actions: int | None = None,
    *,
    stages: int | None = None,
    kind: KernelKind = "dense",
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
) -> FloatArray:
    """Draw a kernel, or one for each stage.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_states : int
        Number of states S.
    n_actions : int, optional
        Number of actions A; without it, the kernel of a chain.
    stages : int, optional
        Number of stages H.
    kind : {"dense", "sparse", "deterministic", "absorbing", "ergodic"}
        Dirichlet rows; rows with the same number of successors, one to three, distinct and uniform, with Dirichlet(1)
        probabilities; uniform successors; Dirichlet rows where the last state, and each other with probability .3,
        absorbs at all stages; or nine tenths of Dirichlet rows and a tenth of the uniform law, so that every
        transition has positive probability.
    concentration : tuple of float
        Dirichlet parameters to choose from; one is drawn for all rows.

    Returns
    -------
    ndarray (S, A, S), (S, S), (H, S, A, S) or (H, S, S)

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    n = n_states
    pairs = (n,) if n_actions is None else (n, n_actions)
    shape = pairs if stages is None else (stages, *pairs)
    match kind:
        case "dense":
            return draw.weights((*shape, n), draw.choice(concentration))
        case "sparse":
            branching = draw.integer(1, min(n, _MOST_SUCCESSORS))
            successors, chances = sparse_rows(draw, int(np.prod(shape)), branching, n)
            kernel = np.zeros((len(successors), n))
            np.put_along_axis(kernel, successors, chances, axis=1)
            return kernel.reshape(*shape, n)
        case "deterministic":
            return np.eye(n)[draw.integers(0, n - 1, shape)]
        case "absorbing":
            absorbing = np.append(draw.boolean(_ABSORBING_SHARE, n - 1), True)
            rows = draw.weights((*shape, n), draw.choice(concentration))
            beside = [1] * (len(pairs) - 1)
            stays = np.eye(n).reshape(n, *beside, n)
            return np.where(absorbing.reshape(n, *beside, 1), stays, rows)
        case "ergodic":
            return full_support(
                draw, (*shape, n), concentration=draw.choice(concentration), mixture=_UNIFORM_SHARE
            )
    raise ValueError(f"kind {kind!r}: expected one of {', '.join(KERNEL_KINDS)}")


def sparse_rows(draw: Draw, rows: int, branching: int, n_states: int) -> tuple[IntArray, FloatArray]:
    """Draw rows of distinct successors, every set equally likely, with Dirichlet(1) probabilities.

    Parameters
    ----------
    draw : Draw
        The engine.
    rows, branching, n_states : int
        Number of rows, of successors of each, at most S, and of states S.

    Returns
    -------
    successors : ndarray of int64 (rows, branching)
        Sorted.
    chances : ndarray (rows, branching)
        Their probabilities.
    """
    return draw.distinct(rows, branching, n_states), draw.weights((rows, branching))


def random_mask(draw: Draw, n_states: int, n_actions: int, *, keep: float = 0.6) -> BoolArray:
    """Draw which actions may be taken: each is kept with a probability, and one of each state in any case.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_states, n_actions : int
        S and A.
    keep : float, default 0.6
        Probability with which an action is kept.

    Returns
    -------
    ndarray of bool (S, A)
        At least one true in each row.
    """
    kept = draw.boolean(keep, (n_states, n_actions))
    forced = draw.integers(0, n_actions - 1, n_states)
    return np.asarray(kept | (np.arange(n_actions) == forced[:, np.newaxis]))
