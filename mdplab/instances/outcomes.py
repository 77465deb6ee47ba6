"""Random outcome models: rewards that stay random given state, action and successor."""

from __future__ import annotations

from mdplab.instances.draw import Draw
from mdplab.instances.rewards import RewardLaw, StartLaw, random_reward, random_start
from mdplab.models import OutcomeModel

__all__ = ["outcome_models"]


def outcome_models(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 3),
    actions: tuple[int, int] = (1, 3),
    outcomes: tuple[int, int] = (1, 3),
    reward: RewardLaw = "integer",
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    dimension: tuple[int, int] | None = None,
    start: StartLaw = "dirichlet",
) -> OutcomeModel:
    """Draw an outcome model whose rewards and next states depend on the pair and the outcome.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions, outcomes : tuple of int
        Smallest and largest number S of states, A of actions and O of outcomes.
    reward : str
        Law of the rewards ``(S, A, O)``, as in :func:`~mdplab.instances.random_reward`.
    concentration : tuple of float
        Dirichlet parameters of the laws of the outcomes to choose from.
    dimension : tuple of int, optional
        Smallest and largest number k of components of vector rewards; scalars without.
    start : str
        Law of the first state, as in :func:`~mdplab.instances.random_start`.

    Returns
    -------
    OutcomeModel
        Next states are uniform.
    """
    shape = draw.integer(*states), draw.integer(*actions), draw.integer(*outcomes)
    components = () if dimension is None else (draw.integer(*dimension),)
    return OutcomeModel(
        draw.weights(shape, draw.choice(concentration)),
        random_reward(draw, (*shape, *components), reward),
        draw.integers(0, shape[0] - 1, shape),
        random_start(draw, shape[0], start),
    )
