r"""Models from the tables of Gymnasium's toy-text environments (FrozenLake, Taxi, CliffWalking and their like).

Such an environment has a table ``P[s][a]`` of tuples ``(probability, next state, reward, terminated)``.  A model made
from it must mind that

* the same successor may be listed twice: probabilities accumulate;
* the state entered with ``terminated=True`` is not absorbing in every table (it is not in CliffWalking and Taxi), though
  the episode is over: such transitions go to a **new last state** without reward, called ``end``, which absorbs;
* the time limit of a registered environment is not in the table and is left out;
* the passenger of Taxi with ``fickle_passenger=True`` changes the destination outside the table, which is then wrong: it
  is refused.

Rewards of the table are averaged over the successors of a pair.  Gymnasium itself is imported only to look an
environment up by its id; it is the extra ``mdplab[gymnasium]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.models import MDP

__all__ = ["from_gymnasium"]

_ACTIONS = {
    "FrozenLakeEnv": ("left", "down", "right", "up"),
    "CliffWalkingEnv": ("up", "right", "down", "left"),
    "TaxiEnv": ("south", "north", "east", "west", "pick up", "drop off"),
}
_STOPS = ("red", "green", "yellow", "blue", "taxi")
END = "end"


def from_gymnasium(environment: Any, discount: float = 0.99, *, sparse: bool = True, **options: Any) -> MDP:
    """Build the model of an environment that has a table.

    Parameters
    ----------
    environment : str, environment or mapping
        An id (``"FrozenLake-v1"``), an environment (wrapped or not), or a table ``P[s][a]`` of lists of
        ``(probability, next state, reward, terminated)``, with states and actions numbered from 0.
    discount : float, default 0.99
        In [0, 1).
    sparse : bool, default True
        Store the kernel as CSR.
    **options
        Passed to ``gymnasium.make`` with an id, e.g. ``is_slippery=False``.

    Returns
    -------
    MDP
        With the environment's start law where it has one, names of states and actions where they are known, and the
        state ``end`` behind the others if anything terminates.

    Raises
    ------
    ImportError
        If an id is given and Gymnasium is not installed.
    ValueError
        If the environment has no table, a table that does not describe it, or a malformed one.
    """
    if isinstance(environment, str):
        environment = _made(environment, options)
    elif options:
        raise ValueError(f"options {', '.join(options)} go with an id, but an environment was given")
    inner = getattr(environment, "unwrapped", environment)
    if getattr(inner, "fickle_passenger", False):
        raise ValueError(
            "Taxi with fickle_passenger=True changes the destination outside its table: no model follows from it"
        )
    table = environment if isinstance(environment, Mapping) else getattr(inner, "P", None)
    if not isinstance(table, Mapping) or not table:
        raise ValueError(
            f"{type(inner).__name__} has no table P[s][a]: only environments with one (FrozenLake, Taxi, CliffWalking) "
            "can be converted"
        )
    return _model(table, inner, discount, sparse)


def _made(name: str, options: Mapping[str, Any]) -> Any:
    """The environment with an id."""
    try:
        import gymnasium
    except ImportError as error:
        raise ImportError(
            f"environment {name!r} needs Gymnasium: install mdplab[gymnasium], or pass a table P[s][a]"
        ) from error
    return gymnasium.make(name, **options)


def _model(table: Mapping[Any, Any], inner: Any, discount: float, sparse: bool) -> MDP:
    """The model of a table."""
    n_states, n_actions = len(table), len(table[0]) if 0 in table else 0
    for s in range(n_states):
        if s not in table or sorted(table[s]) != list(range(n_actions)):
            raise ValueError(f"P[{s}] is missing or has not the actions 0 to {n_actions - 1}")
    listed = [
        (s * n_actions + a, *_outcome(outcome, s, a, n_states))
        for s in range(n_states)
        for a in range(n_actions)
        for outcome in table[s][a]
    ]
    pair, chance, successor, gain, over = (np.array(column) for column in zip(*listed, strict=True))
    ends = bool(over.any())
    total = n_states + ends
    successor = np.where(over, n_states, successor)
    reward = np.zeros(total * n_actions)
    reward[: n_states * n_actions] = np.bincount(pair, weights=chance * gain, minlength=n_states * n_actions)
    if ends:
        loops = np.arange(n_states * n_actions, total * n_actions)
        pair, successor = np.append(pair, loops), np.append(successor, np.full(n_actions, n_states))
        chance = np.append(chance, np.ones(n_actions))
    kernel: Any
    if sparse:
        from scipy.sparse import csr_array

        kernel = csr_array((chance, (pair, successor)), shape=(total * n_actions, total))  # duplicates add up
    else:
        kernel = np.zeros((total * n_actions, total))
        np.add.at(kernel, (pair, successor), chance)
        kernel = kernel.reshape(total, n_actions, total)
    names = _state_names(inner, n_states)
    action_names = _ACTIONS.get(type(inner).__name__)
    return MDP(
        kernel,
        reward.reshape(total, n_actions),
        discount,
        _start(inner, n_states, total),
        state_names=None if names is None else [*names, *([END] if ends else [])],
        action_names=action_names if action_names and len(action_names) == n_actions else None,
    )


def _outcome(outcome: Any, s: int, a: int, n_states: int) -> tuple[float, int, float, bool]:
    """One entry of the table, checked."""
    try:
        chance, successor, gain, over = outcome
    except (TypeError, ValueError):
        raise ValueError(
            f"P[{s}][{a}] holds {outcome!r}, expected (probability, next state, reward, terminated)"
        ) from None
    if not 0 <= successor < n_states:
        raise ValueError(f"P[{s}][{a}] leads to {successor}, expected a state from 0 to {n_states - 1}")
    return float(chance), int(successor), float(gain), bool(over)


def _start(inner: Any, n_states: int, total: int) -> FloatArray | None:
    """The start law of the environment, padded by the new state."""
    law = getattr(inner, "initial_state_distrib", None)
    if law is None:
        return None
    start = np.zeros(total)
    start[:n_states] = np.asarray(law, dtype=np.float64).ravel()
    return start


def _state_names(inner: Any, n_states: int) -> list[str] | None:
    """Cells of grids as ``(x, y)``, states of Taxi in words."""
    if type(inner).__name__ == "TaxiEnv" and n_states == 500:
        names = []
        for s in range(n_states):
            row, column, passenger, goal = inner.decode(s)
            names.append(f"({column}, {row}), passenger {_STOPS[passenger]}, to {_STOPS[goal]}")
        return names
    shape = getattr(inner, "shape", None) or np.shape(getattr(inner, "desc", ()))
    if len(shape) == 2 and shape[0] * shape[1] == n_states:
        return [f"({x}, {y})" for y in range(shape[0]) for x in range(shape[1])]
    return None
