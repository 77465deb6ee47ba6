"""Gridworlds: four moves on a rectangle, slips, walls and rewarded cells.

A state is a free cell, numbered row by row from the top left; walls are no states.  The actions are up, right, down,
left; with probability ``slip`` the move goes to one of the two perpendicular directions, half each.  A move into a
wall or off the grid stays.  The reward of a pair is the reward of the cell it is taken in (``rewards``) plus
``step_reward``; a terminal cell pays its reward once, when it is left for an extra absorbing state without reward,
or, without that state, in every step for ever.

The four actions have the same slips in all cells, so a kernel has at most three successors a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.models import MDP

__all__ = ["Gridworld", "gridworld"]

Cell = tuple[int, int]
_MOVES = np.array([[0, -1], [1, 0], [0, 1], [-1, 0]])  # (x, y) with y downwards: up, right, down, left
_NAMES = ("up", "right", "down", "left")


@dataclass(frozen=True, eq=False)
class Gridworld:
    """A grid MDP with the place of each state.

    Attributes
    ----------
    mdp : MDP
        The model; actions are up, right, down, left.
    positions : ndarray of int (S, 2)
        Column x and row y (downwards) of each state; (-1, -1) for the extra absorbing state.
    width, height : int
        Size of the grid.
    """

    mdp: MDP
    positions: IntArray
    width: int
    height: int

    @cached_property
    def _index(self) -> dict[Cell, int]:
        return {(int(x), int(y)): s for s, (x, y) in enumerate(self.positions) if x >= 0}

    def state(self, x: int, y: int) -> int:
        """Number of the state at a cell.

        Parameters
        ----------
        x, y : int
            Column and row from the top left.

        Returns
        -------
        int
            The state.

        Raises
        ------
        ValueError
            If the cell is a wall or off the grid.
        """
        try:
            return self._index[x, y]
        except KeyError:
            raise ValueError(
                f"cell ({x}, {y}) is a wall or off the {self.width} x {self.height} grid"
            ) from None

    def image(self, values: Any) -> FloatArray:
        """Values of the states laid out as the grid.

        Parameters
        ----------
        values : array_like (S,)
            One number per state.

        Returns
        -------
        ndarray (height, width)
            Row 0 is the top; NaN at walls.
        """
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.shape != (self.mdp.n_states,):
            raise ValueError(f"values has shape {numbers.shape}, expected (S,) = ({self.mdp.n_states},)")
        result = np.full((self.height, self.width), np.nan)
        inside = self.positions[:, 0] >= 0
        result[self.positions[inside, 1], self.positions[inside, 0]] = numbers[inside]
        return result


def gridworld(
    width: int,
    height: int,
    rewards: Mapping[Cell, float],
    *,
    discount: float = 0.9,
    slip: float = 0.0,
    walls: Iterable[Cell] = (),
    terminal: Iterable[Cell] = (),
    absorbing: bool = True,
    step_reward: float = 0.0,
    start: Cell | None = None,
    sparse: bool = False,
) -> Gridworld:
    """Build a gridworld.

    Parameters
    ----------
    width, height : int
        Size, at least 1.
    rewards : mapping from (x, y) to float
        Reward of every action taken in that cell.
    discount : float, default 0.9
        In [0, 1).
    slip : float, default 0
        Probability in [0, 1] of moving sideways instead, half to each side.
    walls : iterable of (x, y)
        Cells that cannot be entered.
    terminal : iterable of (x, y)
        Cells that end the episode.
    absorbing : bool, default True
        Every action in a terminal cell leads to an extra last state without reward; if False the terminal cell
        itself is kept for ever, with its reward in every step.
    step_reward : float, default 0
        Added to the reward of every cell.
    start : (x, y), optional
        Start cell; by default the start law is uniform on the free cells that are not terminal.
    sparse : bool, default False
        Store the kernel as CSR.

    Returns
    -------
    Gridworld
        The model and the positions of its states.

    Raises
    ------
    ValueError
        If a cell is off the grid or a wall, or a number is out of its range.
    """
    for name, size in (("width", width), ("height", height)):
        if size < 1:
            raise ValueError(f"{name} is {size}, expected at least 1")
    if not 0.0 <= slip <= 1.0:
        raise ValueError(f"slip is {slip}, expected a probability in [0, 1]")
    blocked, ends = set(walls), list(terminal)
    _check_cells("walls", blocked, width, height, set())
    _check_cells("terminal", ends, width, height, blocked)
    _check_cells("rewards", rewards, width, height, blocked)
    _check_cells("start", [] if start is None else [start], width, height, blocked)
    free = [cell for y in range(height) for x in range(width) if (cell := (x, y)) not in blocked]
    if not free:
        raise ValueError("walls cover the grid, expected a free cell")
    last = len(free) if ends and absorbing else None
    n_states = len(free) + (last is not None)
    positions = np.array([*free, (-1, -1)] if last is not None else free)
    number = np.full((width + 2, height + 2), -1)  # a frame of walls
    number[positions[: len(free), 0] + 1, positions[: len(free), 1] + 1] = np.arange(len(free))

    cells = np.arange(len(free))
    target = number[
        positions[cells, 0, None] + 1 + _MOVES[:, 0], positions[cells, 1, None] + 1 + _MOVES[:, 1]
    ]
    target = np.where(target < 0, cells[:, None], target)
    end_states = [int(number[x + 1, y + 1]) for x, y in ends]
    target[end_states] = np.array(end_states)[:, None] if last is None else last
    if last is not None:
        target = np.vstack([target, np.full((1, 4), last)])

    actions = np.arange(4)
    branches = [(actions, 1.0 - slip), ((actions + 1) % 4, slip / 2), ((actions - 1) % 4, slip / 2)]
    branches = [(turned, chance) for turned, chance in branches if chance > 0.0]
    rows = np.tile(np.arange(4 * n_states), len(branches))
    columns = np.concatenate([target[:, turned].ravel() for turned, _ in branches])
    chances = np.repeat([chance for _, chance in branches], 4 * n_states)
    kernel: Any
    if sparse:
        from scipy.sparse import csr_array

        kernel = csr_array((chances, (rows, columns)), shape=(4 * n_states, n_states))
    else:
        kernel = np.zeros((4 * n_states, n_states))
        np.add.at(kernel, (rows, columns), chances)
        kernel = kernel.reshape(n_states, 4, n_states)

    reward = np.full((n_states, 4), float(step_reward))
    for (x, y), gain in rewards.items():
        reward[number[x + 1, y + 1]] += gain
    if last is not None:
        reward[last] = 0.0
    initial = np.zeros(n_states)
    if start is not None:
        initial[number[start[0] + 1, start[1] + 1]] = 1.0
    else:
        begins = np.setdiff1d(cells, end_states)
        if begins.size == 0:
            raise ValueError("terminal covers all free cells: give a start cell")
        initial[begins] = 1.0 / begins.size
    names = [f"({x}, {y})" for x, y in free] + (["end"] if last is not None else [])
    model = MDP(kernel, reward, discount, initial, state_names=names, action_names=_NAMES)
    return Gridworld(model, positions, width, height)


def _check_cells(name: str, cells: Iterable[Cell], width: int, height: int, blocked: set[Cell]) -> None:
    """Refuse cells off the grid and walls."""
    for cell in cells:
        x, y = cell
        if not (0 <= x < width and 0 <= y < height) or cell in blocked:
            raise ValueError(f"{name}: cell {cell} is a wall or off the {width} x {height} grid")
