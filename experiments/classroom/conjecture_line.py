"""A conjecture on one line of text: two sides about an MDP and two of its policies, compared by <=, >= or ==.

The text is arithmetic on a fixed list of words and nothing else: no attribute, no index, no word that is not in
:data:`WORDS`, so that whoever types it can compute, and not run a program.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any

import numpy as np

from mdplab import operators, solvers
from mdplab._typing import FloatArray
from mdplab.falsifier import Conjecture
from mdplab.instances import Draw, mdp_with_policies, mdps
from mdplab.models import MDP

__all__ = ["WORDS", "Case", "family", "read"]

Case = tuple[MDP, tuple[FloatArray, FloatArray]]

WORDS = {
    "p, q": "two policies; (p + q)/2 is their mixture",
    "J(p)": "expected return of p",
    "V(p)": "its values",
    "Vbest": "the optimal values",
    "greedy(v)": "the greedy policy of values v",
    "tv(p, q)": "largest total variation of p and q",
    "gamma, rmax": "discount, largest |reward|",
    "abs, max, min, mean": "of numbers or values",
}

_LONGEST = 400
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)
_KINDS = {ast.LtE: "at most", ast.GtE: "at least", ast.Eq: "equal"}
_NAMES = frozenset(
    {"p", "q", "J", "V", "Vbest", "greedy", "tv", "gamma", "rmax", "abs", "max", "min", "mean"}
)


def family(draw: Draw) -> Case:
    """One to three states, two actions, and two policies."""
    small = partial(mdps, states=(1, 3), actions=(2, 2), discount=(0.0, 0.9))
    mdp, (p, q) = mdp_with_policies(draw, model=small)
    return mdp, (p, q)


def read(text: str) -> Conjecture:
    """The conjecture that a line states.

    Raises
    ------
    ValueError
        If the line is longer than 400 characters, or not one comparison of two expressions in the words of :data:`WORDS`.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text)} characters, at most {_LONGEST} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"not an expression: {error.msg}") from None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _KINDS:
        raise ValueError("expected one comparison: left <= right, left >= right, or left == right")
    left, right = (_compiled(side) for side in (tree.left, tree.comparators[0]))

    needs_optimum = any(isinstance(node, ast.Name) and node.id == "Vbest" for node in ast.walk(tree))

    def sides(case: Case) -> tuple[Any, Any]:
        known = {"__builtins__": {}, **_meanings(case)}
        if needs_optimum:  # the one word that costs time
            known["Vbest"] = solvers.policy_iteration(case[0]).value
        first, second = np.broadcast_arrays(eval(left, known), eval(right, known))  # checked by _faults
        return first, second

    return Conjecture(sides, _KINDS[type(tree.ops[0])], name=text)  # type: ignore[arg-type]


def _compiled(side: ast.expr) -> Any:
    for fault in _faults(side):
        raise ValueError(fault)
    for node in ast.walk(side):
        if isinstance(node, ast.Constant):  # whole numbers would grow without end under powers of powers
            node.value = float(node.value)  # type: ignore[arg-type]
    return compile(ast.fix_missing_locations(ast.Expression(side)), "<conjecture>", "eval")


def _faults(node: ast.expr) -> Iterator[str]:
    """What is not allowed in an expression, in words."""
    match node:
        case ast.Constant(value=int() | float() as value) if abs(value) <= 1e6:
            return
        case ast.Name(id=name):
            if name not in _NAMES:
                yield f"unknown word {name!r}; known are {', '.join(sorted(_NAMES))}"
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
            if isinstance(op, ast.Pow) and not (isinstance(right, ast.Constant) and right.value in (2, 3)):
                yield "powers are squares and cubes: x**2, x**3"
            yield from _faults(left)
            yield from _faults(right)
        case ast.UnaryOp(op=op, operand=operand) if isinstance(op, _OPERATORS):
            yield from _faults(operand)
        case ast.Call(func=ast.Name() as function, args=args, keywords=[]):
            for part in (function, *args):
                yield from _faults(part)
        case _:
            yield f"not allowed here: {ast.unparse(node)}"


def _over(pairwise: Callable[[Any, Any], Any], *parts: Any) -> Any:
    """The extremum of the entries of one part, or of several parts entry by entry."""
    return reduce(pairwise, parts if len(parts) > 1 else np.ravel(parts[0]))


def _meanings(case: Case) -> dict[str, Any]:
    """What the words mean for an instance, but for the optimal values."""
    mdp, (p, q) = case

    def value(policy: Any) -> Any:
        kernel, reward = operators.induced(mdp, policy)
        return solvers.evaluate_policy_array(kernel, reward, mdp.discount)

    return {
        "p": p,
        "q": q,
        "V": value,
        "J": lambda policy: mdp.initial @ value(policy),
        "greedy": lambda v: operators.greedy_policy(mdp, operators.action_values(mdp, np.asarray(v))),
        "tv": lambda first, second: abs(first - second).sum(axis=1).max() / 2,
        "gamma": mdp.discount,
        "rmax": abs(mdp.reward).max(),
        "abs": abs,
        "max": partial(_over, np.maximum),
        "min": partial(_over, np.minimum),
        "mean": np.mean,
    }
