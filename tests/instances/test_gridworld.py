"""Gridworlds against a move-by-move twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab.instances import gridworld

MOVES = [(0, -1), (1, 0), (0, 1), (-1, 0)]
WALLS, ENDS = [(1, 1)], [(3, 0), (3, 1)]


def build(**changes: Any) -> Any:
    settings: dict[str, Any] = {"slip": 0.2, "walls": WALLS, "terminal": ENDS, "step_reward": -0.04}
    return gridworld(4, 3, {(3, 0): 1.0, (3, 1): -1.0}, **(settings | changes))


@pytest.mark.parametrize("absorbing", [True, False])
@pytest.mark.parametrize("slip", [0.0, 0.2, 1.0])
def test_kernel_is_that_of_the_moves(absorbing: bool, slip: float) -> None:
    grid = build(absorbing=absorbing, slip=slip)
    mdp = grid.mdp
    cells = [(x, y) for y in range(3) for x in range(4) if (x, y) not in WALLS]
    assert mdp.n_states == len(cells) + absorbing
    for s, (x, y) in enumerate(cells):
        assert grid.state(x, y) == s
        assert tuple(grid.positions[s]) == (x, y)
        for a in range(4):
            expected = np.zeros(mdp.n_states)
            for turn, chance in ((0, 1 - slip), (1, slip / 2), (-1, slip / 2)):
                dx, dy = MOVES[(a + turn) % 4]
                target = (x + dx, y + dy) if (x + dx, y + dy) in cells else (x, y)
                if (x, y) in ENDS:
                    expected[-1 if absorbing else s] += chance
                else:
                    expected[cells.index(target)] += chance
            np.testing.assert_allclose(mdp.row(s, a), expected, atol=1e-15)
            assert mdp.reward[s, a] == -0.04 + {(3, 0): 1.0, (3, 1): -1.0}.get((x, y), 0.0)
    if absorbing:
        assert mdp.row(mdp.n_states - 1, 0)[-1] == 1.0
        assert not mdp.reward[-1].any()
    assert mdp.is_deterministic == (slip == 0.0)


def test_sparse_equals_dense() -> None:
    dense, thin = build(), build(sparse=True)
    assert thin.mdp.is_sparse
    np.testing.assert_allclose(thin.mdp.to_dense().transition, dense.mdp.transition, atol=1e-16)
    assert thin.mdp.state_names == dense.mdp.state_names
    assert thin.mdp.state_names[-1] == "end"


def test_start_and_image() -> None:
    grid = build()
    law = grid.mdp.start_law()
    assert law[grid.state(3, 0)] == law[-1] == 0.0
    assert law[grid.state(0, 0)] == pytest.approx(1 / 9)
    assert build(start=(0, 2)).mdp.start_law()[grid.state(0, 2)] == 1.0
    image = grid.image(np.arange(grid.mdp.n_states))
    assert image.shape == (3, 4)
    assert np.isnan(image[1, 1])
    assert image[2, 0] == grid.state(0, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slip": 1.5}, "slip is 1.5"),
        ({"walls": [(4, 0)]}, r"walls: cell \(4, 0\) is a wall or off the 4 x 3 grid"),
        ({"terminal": [(1, 1)]}, r"terminal: cell \(1, 1\)"),
        ({"walls": [(3, 0)]}, r"cell \(3, 0\) is a wall"),
        ({"start": (1, 1)}, r"start: cell \(1, 1\)"),
        (
            {"walls": [], "terminal": [(x, y) for x in range(4) for y in range(3)]},
            "terminal covers all free cells",
        ),
    ],
)
def test_bad_grids_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cell \(1, 1\) is a wall"):
        build().state(1, 1)
    with pytest.raises(ValueError, match=r"values has shape \(3,\)"):
        build().image([1, 2, 3])
    with pytest.raises(ValueError, match="width is 0"):
        gridworld(0, 3, {})
    with pytest.raises(ValueError, match="walls cover the grid"):
        gridworld(1, 1, {}, walls=[(0, 0)])
