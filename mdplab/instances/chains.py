"""Random Markov chains: with all transitions possible, or of any kind."""

from __future__ import annotations

from mdplab.instances.draw import Draw
from mdplab.instances.kernels import KERNEL_KINDS, KernelKind, random_kernel
from mdplab.instances.policies import full_support
from mdplab.models import MarkovChain

__all__ = ["dirichlet_chain", "markov_chains"]


def markov_chains(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 4),
    steps: tuple[int, int] = (1, 4),
    kernel: KernelKind | tuple[KernelKind, ...] = KERNEL_KINDS,
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    staged: bool = True,
) -> MarkovChain:
    """Draw a chain of any kind; the start law is Dirichlet(1).

    Parameters
    ----------
    draw : Draw
        The engine.
    states, steps : tuple of int
        Smallest and largest number K of states and T of steps.
    kernel : str or tuple of str
        Kinds of :func:`~mdplab.instances.random_kernel` to choose from.
    concentration : tuple of float
        Dirichlet parameters to choose from; one is drawn for all rows.
    staged : bool, default True
        Draw a kernel for each step; one for all without.

    Returns
    -------
    MarkovChain
    """
    n, length = draw.integer(*states), draw.integer(*steps)
    kind = draw.choice((kernel,) if isinstance(kernel, str) else kernel)
    rows = random_kernel(draw, n, stages=length if staged else None, kind=kind, concentration=concentration)
    return MarkovChain(draw.weights(n), rows, length)


def dirichlet_chain(
    draw: Draw,
    *,
    states: tuple[int, int] = (2, 4),
    steps: tuple[int, int] = (1, 4),
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    mixture: float = 0.02,
) -> MarkovChain:
    """Draw a chain: each row ``(1 - mixture) Dirichlet + mixture / K``, the concentration drawn once for all rows.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, steps : tuple of int
        Smallest and largest number K of states and T of steps; all ``K^{T+1}`` paths stay few by default.
    concentration : tuple of float
        Dirichlet parameters of the kernels' rows to choose from; the start law has the parameter 1.
    mixture : float, default 0.02
        Weight of the uniform law, in [0, 1]; every probability is at least ``mixture / K``.

    Returns
    -------
    MarkovChain

    Raises
    ------
    ValueError
        If the mixture is outside [0, 1].
    """
    n, length = draw.integer(*states), draw.integer(*steps)
    rows = full_support(draw, (length, n, n), concentration=draw.choice(concentration), mixture=mixture)
    return MarkovChain(full_support(draw, n, mixture=mixture), rows)
