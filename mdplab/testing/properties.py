r"""Properties of operators on tables, and of computations on models: contraction, monotonicity, shifts, renaming.

The points of an operator's check are a few tables with all that matters: random entries of three sizes, corners of the
cube (where an affine map attains its sup norm), single entries and constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.testing._report import AXES, available, check_tolerance, fail, names_of

__all__ = [
    "assert_constant_shift",
    "assert_contraction",
    "assert_equivariant",
    "assert_monotone",
    "check_operator",
    "renamed",
]

Operator = Callable[[FloatArray], ArrayLike]
Shape = int | tuple[int, ...]


def _points(shape: Shape) -> Iterator[FloatArray]:
    """Tables to start from: zero, and pseudo-random ones of three sizes."""
    rng = np.random.default_rng(20)
    yield np.zeros(shape)
    for size in (1e-3, 1.0, 1e3):
        yield size * rng.standard_normal(shape)


def _directions(shape: Shape) -> Iterator[FloatArray]:
    """Tables to go along: constants, corners, a small and a single entry."""
    rng = np.random.default_rng(21)
    yield np.ones(shape)
    for _ in range(4):
        yield rng.choice([-1.0, 1.0], size=shape)
    yield rng.uniform(-1.0, 1.0, size=shape)
    for k in range(min(int(np.prod(shape)), 8)):
        single = np.zeros(shape)
        single.flat[k] = 1.0
        yield single


def _image(operator: Operator, x: FloatArray) -> FloatArray:
    """The operator at a copy; its shape must be kept, its numbers finite."""
    y = np.asarray(operator(x.copy()), dtype=np.float64)
    if y.shape != x.shape:
        raise AssertionError(f"the operator maps shape {x.shape} to {y.shape}")
    if not np.isfinite(y).all():
        index = np.unravel_index(int((~np.isfinite(y)).argmax()), y.shape)
        raise AssertionError(f"the operator gives {y[index]} at entry {tuple(map(int, index))}")
    return y


def _pairs(
    operator: Operator, shape: Shape
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray, FloatArray]]:
    """Points, directions, and the images of the points without and with the direction added."""
    for x in _points(shape):
        image = _image(operator, x)
        size = 1.0 + float(np.abs(x).max())
        for direction in _directions(shape):
            for scale in (size, 0.01 * size):
                d = scale * direction
                yield x, d, image, _image(operator, x + d)


def _room(tol: float, *tables: FloatArray) -> float:
    return tol * (1.0 + max(float(np.abs(t).max()) for t in tables))


def _first(array: FloatArray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(array.argmax()), array.shape))


def assert_contraction(operator: Operator, modulus: float, *, shape: Shape, tol: float = 1e-9) -> None:
    """Assert that an operator contracts the sup norm, as far as searched.

    Parameters
    ----------
    operator : callable
        From a table to a table of the same shape.
    modulus : float
        The claimed factor, usually the discount; non-negative.
    shape : int or tuple of int
        Shape of the tables.
    tol : float, default 1e-9
        Rounding that is forgiven, relative to one plus the largest entry.

    Raises
    ------
    AssertionError
        If two tables are found whose images are farther apart than ``modulus`` times their distance.
    """
    check_tolerance(tol)
    _check.non_negative("modulus", modulus)
    for x, d, image, moved in _pairs(operator, shape):
        before, after = float(np.abs(d).max()), np.abs(moved - image)
        if after.max() > modulus * before + _room(tol, image, moved):
            fail(
                [
                    f"the operator is no contraction of modulus {modulus:g}: two tables at distance {before:.6g} have images "
                    f"at distance {after.max():.6g}, a factor {after.max() / before:.6g}",
                    f"largest at entry {_first(after)}; the tables are {_text(x)} and this plus {_text(d)}",
                ]
            )


def assert_monotone(operator: Operator, *, shape: Shape, tol: float = 1e-9) -> None:
    """Assert that an operator is monotone, as far as searched: a table that is larger everywhere has a larger image.

    Parameters
    ----------
    operator : callable
        From a table to a table of the same shape.
    shape : int or tuple of int
        Shape of the tables.
    tol : float, default 1e-9
        Rounding that is forgiven, relative to one plus the largest entry.

    Raises
    ------
    AssertionError
        If an entry of the image falls as entries of the table grow.
    """
    check_tolerance(tol)
    for x in _points(shape):
        image = _image(operator, x)
        for direction in _directions(shape):
            d = (1.0 + float(np.abs(x).max())) * np.abs(direction)
            fall = image - (moved := _image(operator, x + d))
            if fall.max() > _room(tol, image, moved):
                fail(
                    [
                        f"the operator is not monotone: entry {_first(fall)} falls by {fall.max():.6g} as the table grows",
                        f"from {_text(x)} by {_text(d)}",
                    ]
                )


def assert_constant_shift(operator: Operator, factor: float, *, shape: Shape, tol: float = 1e-9) -> None:
    """Assert that adding a constant c to a table adds ``factor * c`` to its image, everywhere.

    Parameters
    ----------
    operator : callable
        From a table to a table of the same shape.
    factor : float
        The discount, for the backups of a discounted model.
    shape : int or tuple of int
        Shape of the tables.
    tol : float, default 1e-9
        Rounding that is forgiven, relative to one plus the largest entry.

    Raises
    ------
    AssertionError
        If an entry moves otherwise; rows of a kernel that do not sum to one are a common reason.
    """
    check_tolerance(tol)
    for x in _points(shape):
        image = _image(operator, x)
        for c in (1.0, -10.0, 0.25):
            moved = _image(operator, x + c) - image
            gap = np.abs(moved - factor * c)
            if gap.max() > _room(tol, image, moved):
                index = _first(gap)
                fail(
                    [
                        f"the constant {c:g} moves entry {index} by {moved[index]:.10g}, expected {factor * c:.10g}: the "
                        f"factor is {moved[index] / c:.10g}, not {factor:g}",
                        f"at {_text(x)}",
                    ]
                )


def check_operator(
    operator: Operator,
    *,
    shape: Shape,
    modulus: float | None = None,
    monotone: bool = False,
    shift: float | None = None,
    fixed_point: ArrayLike | None = None,
    tol: float = 1e-9,
) -> None:
    """Check all properties that an operator is said to have.

    Parameters
    ----------
    operator : callable
        From a table to a table of the same shape.
    shape : int or tuple of int
        Shape of the tables.
    modulus : float, optional
        Contracts the sup norm by this factor, see :func:`assert_contraction`.
    monotone : bool, default False
        Preserves the order, see :func:`assert_monotone`.
    shift : float, optional
        A constant is multiplied by this factor, see :func:`assert_constant_shift`.
    fixed_point : array_like, optional
        A table that is mapped to itself.
    tol : float, default 1e-9
        Rounding that is forgiven, relative to one plus the largest entry.

    Raises
    ------
    AssertionError
        If a property fails, or the operator is not a function of its argument.
    """
    check_tolerance(tol)
    for x in _points(shape):
        given = x.copy()
        first, second = np.array(operator(given), dtype=np.float64), _image(operator, x)
        if not np.array_equal(given, x):
            raise AssertionError("the operator changes the table that it is given")
        if not np.array_equal(first, second):
            raise AssertionError("the operator answers the same table differently the second time")
    if modulus is not None:
        assert_contraction(operator, modulus, shape=shape, tol=tol)
    if monotone:
        assert_monotone(operator, shape=shape, tol=tol)
    if shift is not None:
        assert_constant_shift(operator, shift, shape=shape, tol=tol)
    if fixed_point is not None:
        x = np.asarray(fixed_point, dtype=np.float64)
        gap = np.abs(_image(operator, x) - x)
        if gap.max() > _room(tol, x):
            fail([f"no fixed point: entry {_first(gap)} moves by {gap.max():.6g}"])


def _text(table: FloatArray) -> str:
    return np.array2string(table, precision=4, threshold=12, separator=", ").replace("\n", "")


def renamed(mdp: MDP, states: ArrayLike, actions: ArrayLike) -> MDP:
    """The same model with its states and actions in another order.

    Parameters
    ----------
    mdp : MDP
        The model, dense or CSR.
    states, actions : array_like of int (S,), (A,)
        New state ``i`` is the old ``states[i]``; permutations.

    Returns
    -------
    MDP
        Without the rationals of the model.
    """
    s, a = np.asarray(states), np.asarray(actions)
    transition: Any = mdp.transition
    if mdp.is_sparse:
        rows = (s[:, np.newaxis] * mdp.n_actions + a).ravel()
        transition = transition[rows][:, s]
    else:
        transition = transition[np.ix_(s, a, s)]
    return MDP(
        transition,
        mdp.reward[np.ix_(s, a)],
        mdp.discount,
        None if mdp.initial is None else mdp.initial[s],
        available=None if mdp.available is None else mdp.available[np.ix_(s, a)],
        state_names=_reordered(mdp.state_names, s),
        action_names=_reordered(mdp.action_names, a),
    )


def _reordered(names: tuple[str, ...] | None, order: IntArray) -> list[str] | None:
    return None if names is None else [names[i] for i in order]


def assert_equivariant(mdp: MDP, compute: Callable[[MDP], ArrayLike], *, tol: float = 1e-8) -> None:
    """Assert that the order in which states and actions are numbered does not matter.

    Everything is computed a second time on the model with its states and actions in reverse order.  Confused axes, a
    first state or action that is special, and ties that are always broken the same way show up as a difference.  (So a
    *deterministic* policy may differ at ties; compare its values, or use
    :func:`~mdplab.testing.assert_policies_equal_up_to_ties`.)

    Parameters
    ----------
    mdp : MDP
        The model.
    compute : callable
        From a model to state values ``(S,)`` or a table ``(S, A)``; must not be random.
    tol : float, default 1e-8
        Largest difference.

    Raises
    ------
    AssertionError
        If an entry differs; unavailable pairs do not count.
    """
    _check.model(mdp, MDP)
    check_tolerance(tol)
    states, actions = (np.arange(n)[::-1] for n in (mdp.n_states, mdp.n_actions))
    first = np.asarray(compute(mdp), dtype=np.float64)
    if first.shape not in (mdp.reward.shape[:1], mdp.reward.shape):
        raise AssertionError(
            f"compute returned shape {first.shape}, expected (S,) or (S, A) = {mdp.reward.shape}"
        )
    second = np.asarray(compute(renamed(mdp, states, actions)), dtype=np.float64)
    back = second[states] if first.ndim == 1 else second[np.ix_(states, actions)]
    counts = available(mdp) if first.ndim == 2 else np.ones(first.shape, dtype=bool)
    bad = counts & ~((np.abs(first - back) <= tol) | (first == back))
    if bad.any():
        index = _first(bad.astype(float))
        fail(
            [
                f"the order of states and actions matters at {names_of(mdp).place(AXES[: first.ndim], index)}: "
                f"{first[index]:.10g}, in reverse order {back[index]:.10g}",
                "hint: are axes confused, or are ties broken by the number of the action?",
            ]
        )
