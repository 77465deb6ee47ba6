"""Linear plants of two states under an imitated feedback: trajectories and their bounds, each by two routes and in balls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array, FloatArray
from mdplab.claims import Side, rounding
from mdplab.instances import Draw
from mdplab.numerics import linear_regulator

STEPS = 60

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Loop:
    """A plant of two states and one input, the expert's feedback, and the error of the imitation.

    Attributes
    ----------
    plant : ndarray (2, 2)
        A.
    inputs : ndarray (2,)
        B.
    gain : ndarray (2,)
        K.
    change : ndarray (2,)
        D: the imitated feedback is K + D.
    start : ndarray (2,)
        The first state.
    noise : float
        Length of the disturbances of the measurement.
    angles : ndarray (60,)
        Their directions.
    """

    plant: FloatArray
    inputs: FloatArray
    gain: FloatArray
    change: FloatArray
    start: FloatArray
    noise: float
    angles: FloatArray

    @property
    def expert(self) -> FloatArray:
        """The expert's closed loop A + B K."""
        return np.asarray(self.plant + np.outer(self.inputs, self.gain))

    @property
    def imitated(self) -> FloatArray:
        """The imitated closed loop A + B (K + D)."""
        return np.asarray(self.plant + np.outer(self.inputs, self.gain + self.change))

    @property
    def disturbances(self) -> FloatArray:
        """Disturbances (60, 2)."""
        return np.asarray(self.noise * np.stack([np.cos(self.angles), np.sin(self.angles)], axis=1))

    @property
    def size(self) -> float:
        """Bound on the entries from which the loops are computed."""
        reach = np.abs(self.gain).sum() + np.abs(self.change).sum()
        return float(np.abs(self.plant).sum() + np.abs(self.inputs).sum() * reach)


def drawn(draw: Draw, *, stable: bool) -> Loop:
    plant, inputs = draw.normal((2, 2)), draw.normal(2)
    if np.abs(inputs).max() < 0.05:
        draw.reject("the input has almost no effect")
    try:
        gain = linear_regulator(plant, inputs[:, np.newaxis], np.eye(2), np.eye(1)).gain[0]
    except ValueError:
        draw.reject("the plant cannot be stabilised")
    angle, length = draw.number(0.0, 2 * np.pi), draw.number(0.0, 0.2)
    change = length * np.array([np.cos(angle), np.sin(angle)])
    noise, angles = draw.number(0.0, 1.0), draw.uniform(0.0, 2 * np.pi, STEPS)
    loop = Loop(plant, inputs, gain, change, draw.normal(2), noise, angles)
    radius, condition = spectrum_closed(loop.expert)
    if abs(schur(loop.expert)[0]) < 0.01 or not (condition < 100 and 0.01 < radius < 0.995):
        draw.reject("the closed loop is almost defective or almost unstable")
    if stable and not growth(loop) < 0.995:
        draw.reject("rho is not below one")
    return loop


def loops(draw: Draw) -> Loop:
    """Normal plants with the optimal gain for unit weights, errors of the gain below .2, such that rho < 1.

    Left out are loops with a condition number of 100 or more, eigenvalues within .1 of each other, or a spectral radius near 0 or 1.
    """
    return drawn(draw, stable=True)


def wide_loops(draw: Draw) -> Loop:
    """As the family, whatever rho is."""
    return drawn(draw, stable=False)


def closed(matrix: Any, change: Any, start: Any, gain: Any, inputs: Any, noise: float = 0.0) -> Loop:
    """A loop from its closed form A + B K; all disturbances point in the direction of K."""
    b, k = np.array(inputs, dtype=float), np.array(gain, dtype=float)
    angle = float(np.arctan2(k[1], k[0]))
    plant = np.array(matrix, dtype=float) - np.outer(b, k)
    return Loop(
        plant, b, k, np.array(change, dtype=float), np.array(start, dtype=float), noise, np.full(STEPS, angle)
    )


TRIANGLE = closed([[0.5, 0.2], [0.0, 0.4]], [0.1, -0.05], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0])
SCALAR = closed([[0.9, 0.0], [0.0, 0.0]], [0.2, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0])
"""The scalar loop .9 with an error of .2."""
SHEAR = closed([[0.9, 5.0], [0.0, 0.5]], [0.0, 0.0], [0.0, 1.0], [0.5, 0.0], [1.0, 0.0], 0.5)
SLOW = closed([[0.9, 0.0], [0.0, 0.8]], [0.05, 0.0], [1.0, 0.0], [0.5, 0.0], [1.0, 0.0], 1.0)

# --- routes: what the loops do --------------------------------------------------------------------------------------


def spectrum(matrix: FloatArray) -> tuple[float, float]:
    """Spectral radius, and the condition number of the eigenvectors of unit length."""
    values, vectors = np.linalg.eig(matrix)
    return float(np.abs(values).max()), float(np.linalg.cond(vectors))


def schur(m: Any) -> tuple[Any, Any]:
    """Discriminant of a 2 x 2 matrix, and the square of the entry off the diagonal of its Schur form."""
    split = (m[0, 0] - m[1, 1]) ** 2 + 4 * m[0, 1] * m[1, 0]
    if split >= 0:
        return split, (m[0, 1] - m[1, 0]) ** 2
    return split, (m[0, 0] - m[1, 1]) ** 2 + (m[0, 1] + m[1, 0]) ** 2


def spectrum_closed(matrix: FloatArray) -> tuple[float, float]:
    """The same from the Schur form ``[[l1, s], [0, l2]]``: ``c = (sqrt(s^2 + d^2) + s) / d`` with ``d = |l1 - l2|``."""
    split, shear = schur(matrix)
    gap = abs(float(split))
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    radius = (abs(np.trace(matrix)) + np.sqrt(gap)) / 2 if split >= 0 else np.sqrt(determinant)
    with np.errstate(divide="ignore"):
        return float(radius), float((np.sqrt(shear + gap) + np.sqrt(shear)) / np.sqrt(gap))


def growth(loop: Loop) -> float:
    """rho, spectral radius plus ``c |B| l``."""
    radius, condition = spectrum_closed(loop.expert)
    return radius + condition * float(np.linalg.norm(loop.inputs) * np.linalg.norm(loop.change))


def walked(loop: Loop, matrix: FloatArray, pushes: FloatArray | None = None) -> FloatArray:
    """States (61, 2) step by step."""
    states = [loop.start]
    for t in range(STEPS):
        states.append(matrix @ states[-1] + (0.0 if pushes is None else pushes[t]))
    return np.array(states)


def powers(matrix: FloatArray) -> FloatArray:
    found = [np.eye(2)]
    for _ in range(STEPS):
        found.append(found[-1] @ matrix)
    return np.array(found)


def by_powers(loop: Loop, matrix: FloatArray, pushes: FloatArray | None = None) -> FloatArray:
    """States (61, 2) by powers of the loop, and sums of powers times pushes."""
    steps = powers(matrix)
    states = steps @ loop.start
    if pushes is not None:
        for t in range(1, STEPS + 1):
            states[t] += np.einsum("kij,kj->i", steps[t - 1 :: -1][:t], pushes[:t])
    return np.asarray(states)


def walk_error(loop: Loop, matrix: FloatArray, push: float = 0.0) -> FloatArray:
    """Rounding of states (61,) by either route.

    Each step errs by 24 u of what it handles, at most ``(1 + |M|) (|M^j| |x_0| + sum_{i<j} |M^i| push) + push`` (the entries of the
    loop are rounded too), and powers of the loop carry it on.
    """
    sizes = np.linalg.norm(powers(matrix), axis=(1, 2))
    reach = sizes * np.linalg.norm(loop.start) + push * np.cumsum(sizes)
    fresh = np.asarray(rounding((1 + loop.size) * reach + push, 24))
    return 2.02 * np.convolve(sizes, fresh)[: STEPS + 1]


def pushes_of(loop: Loop) -> FloatArray:
    return np.asarray((loop.disturbances @ loop.gain)[:, np.newaxis] * loop.inputs)


def lengths(loop: Loop, matrix: FloatArray, route: Any, pushes: FloatArray | None = None) -> Side:
    states = route(loop, matrix, pushes)
    push = (
        0.0 if pushes is None else float(np.linalg.norm(loop.inputs) * np.abs(loop.gain).sum() * loop.noise)
    )
    value = np.linalg.norm(states, axis=1)
    return Side(value, walk_error(loop, matrix, push) + rounding(value, 8))


def imitated_lengths(loop: Loop) -> Side:
    """Lengths of the states of the imitated loop, step by step."""
    return lengths(loop, loop.imitated, walked)


def imitated_lengths_by_powers(loop: Loop) -> Side:
    """Lengths of the states of the imitated loop, by powers."""
    return lengths(loop, loop.imitated, by_powers)


def regret(loop: Loop, route: Any) -> Side:
    ours, theirs = (route(loop, matrix) for matrix in (loop.imitated, loop.expert))
    value = np.linalg.norm(ours - theirs, axis=1).sum()
    error = walk_error(loop, loop.imitated) + walk_error(loop, loop.expert)
    return Side(value, error.sum() + rounding(value, 80))


def distance(loop: Loop) -> Side:
    """Sum of the distances of the states to the expert's, step by step."""
    return regret(loop, walked)


def distance_by_powers(loop: Loop) -> Side:
    """Sum of the distances of the states to the expert's, by powers."""
    return regret(loop, by_powers)


def disturbed_lengths(loop: Loop) -> Side:
    """Lengths of the states of the disturbed expert, step by step."""
    return lengths(loop, loop.expert, walked, pushes_of(loop))


def disturbed_lengths_by_powers(loop: Loop) -> Side:
    """Lengths of the states of the disturbed expert, by sums of powers."""
    return lengths(loop, loop.expert, by_powers, pushes_of(loop))


# --- routes: the bounds ---------------------------------------------------------------------------------------------


def relative(loop: Loop) -> float:
    """Relative error of c and r.

    An error e of the entries moves s by 2 e and d^2 by 4 |M| e, so c by the share ``e (2 / d + 4 |M| / d^2)``, and eigenvalues by
    c e (Bauer and Fike).
    """
    gap, (radius, condition) = np.sqrt(abs(schur(loop.expert)[0])), spectrum_closed(loop.expert)
    shares = 2 / gap + 4 * loop.size / gap**2 + condition / radius
    return float(rounding(loop.size * shares + 1, 32))


def parts_of(loop: Loop, closed_form: bool) -> tuple[float, float, float, float]:
    """c, r, rho and |B| l."""
    radius, condition = (spectrum_closed if closed_form else spectrum)(loop.expert)
    product = float(np.linalg.norm(loop.inputs) * np.linalg.norm(loop.change))
    return condition, radius, radius + condition * product, product


def bounded(loop: Loop, value: Any, ends: tuple[float, ...], exponents: Any = 0) -> Side:
    """A bound with its error: that of c twice, of powers, and of the distances of ``ends`` to one."""
    share = relative(loop) * (2 + np.asarray(exponents) + sum(1 / abs(1 - end) for end in ends))
    return Side(value, 1.01 * share * np.abs(value) + rounding(value, 200))


def stability_bound(loop: Loop, *, closed_form: bool = False) -> Side:
    """c rho^t |x_0|, by LAPACK's eigenvectors."""
    c, _, rho, _ = parts_of(loop, closed_form)
    steps = np.arange(STEPS + 1)
    return bounded(loop, c * rho**steps * np.linalg.norm(loop.start), (), steps)


def stability_bound_closed(loop: Loop) -> Side:
    """c rho^t |x_0|, by the Schur form."""
    return stability_bound(loop, closed_form=True)


def distance_bound(loop: Loop, *, closed_form: bool = False) -> Side:
    """c |B| l / (1 - r) times c / (1 - rho) |x_0|, by LAPACK's eigenvectors."""
    c, r, rho, product = parts_of(loop, closed_form)
    return bounded(loop, c * product / (1 - r) * c / (1 - rho) * np.linalg.norm(loop.start), (r, rho))


def distance_bound_closed(loop: Loop) -> Side:
    """c |B| l / (1 - r) times c / (1 - rho) |x_0|, by the Schur form."""
    return distance_bound(loop, closed_form=True)


def disturbance_bound(loop: Loop, *, closed_form: bool = False) -> Side:
    """c r^t |x_0| + c |B| |K| w / (1 - r), by LAPACK's eigenvectors."""
    c, r, _, _ = parts_of(loop, closed_form)
    push = np.linalg.norm(loop.inputs) * np.linalg.norm(loop.gain) * loop.noise
    steps = np.arange(STEPS + 1)
    fading = bounded(loop, c * r**steps * np.linalg.norm(loop.start), (), steps)
    lasting = bounded(loop, c * push / (1 - r), (r,))
    value = np.asarray(fading.value) + np.asarray(lasting.value)
    return Side(value, np.asarray(fading.error) + np.asarray(lasting.error) + rounding(value, 2))


def disturbance_bound_closed(loop: Loop) -> Side:
    """c r^t |x_0| + c |B| |K| w / (1 - r), by the Schur form."""
    return disturbance_bound(loop, closed_form=True)


# --- exact ----------------------------------------------------------------------------------------------------------


def norm(x: Array) -> Any:
    return mdplab.exact.sqrt((x * x).sum())


def exact_loops(loop: Loop) -> tuple[Array, Array, Array, Array]:
    """The expert's and the imitated loop, B and the start."""
    a, b, k, d, x = (
        mdplab.exact.rational(v) for v in (loop.plant, loop.inputs, loop.gain, loop.change, loop.start)
    )
    return a + np.outer(b, k), a + np.outer(b, k + d), b, x


def exact_constants(loop: Loop) -> tuple[Any, Any, Any, Any]:
    """c, r, rho and |B| l, from the Schur form."""
    m, _, b, _ = exact_loops(loop)
    split, shear = schur(m)
    gap, determinant = abs(split), m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    radius = (
        (abs(m[0, 0] + m[1, 1]) + mdplab.exact.sqrt(gap)) / 2
        if split >= 0
        else mdplab.exact.sqrt(determinant)
    )
    condition = (mdplab.exact.sqrt(shear + gap) + mdplab.exact.sqrt(shear)) / mdplab.exact.sqrt(gap)
    product = norm(b) * norm(mdplab.exact.rational(loop.change))
    return condition, radius, radius + condition * product, product


def exact_walk(matrix: Array, start: Array, pushes: Array | None = None) -> list[Array]:
    states = [start]
    for t in range(STEPS):
        following = (matrix * states[-1]).sum(axis=1)
        states.append(following if pushes is None else following + pushes[t])
    return states


def exact_imitated(loop: Loop) -> Any:
    """Lengths of the states of the imitated loop."""
    _, imitated, _, start = exact_loops(loop)
    return np.array([norm(x) for x in exact_walk(imitated, start)], dtype=object)


def exact_stability(loop: Loop) -> Any:
    """c rho^t |x_0|."""
    c, _, rho, _ = exact_constants(loop)
    length = norm(exact_loops(loop)[3])
    return np.array([c * rho**t * length for t in range(STEPS + 1)], dtype=object)


def exact_distance(loop: Loop) -> Any:
    """Sum of the distances of the states to the expert's."""
    expert, imitated, _, start = exact_loops(loop)
    pairs = zip(exact_walk(imitated, start), exact_walk(expert, start), strict=True)
    return sum((norm(x - y) for x, y in pairs), mdplab.exact.ball(0))


def exact_distance_bound(loop: Loop) -> Any:
    """c |B| l / (1 - r) times c / (1 - rho) |x_0|."""
    c, r, rho, product = exact_constants(loop)
    return c * product / (1 - r) * c / (1 - rho) * norm(exact_loops(loop)[3])


def exact_disturbed(loop: Loop) -> Any:
    """Lengths of the states of the disturbed expert."""
    expert, _, b, start = exact_loops(loop)
    pushes = (mdplab.exact.rational(loop.disturbances) * mdplab.exact.rational(loop.gain)).sum(axis=1)
    return np.array([norm(x) for x in exact_walk(expert, start, np.outer(pushes, b))], dtype=object)


def exact_disturbance_bound(loop: Loop) -> Any:
    """c r^t |x_0| + c |B| |K| w / (1 - r), w the longest of the rational disturbances."""
    c, r, _, _ = exact_constants(loop)
    _, _, b, start = exact_loops(loop)
    longest = mdplab.exact.highest(
        np.array([norm(w) for w in mdplab.exact.rational(loop.disturbances)], dtype=object)
    )
    push = c * norm(b) * norm(mdplab.exact.rational(loop.gain)) * longest / (1 - r)
    return np.array([c * r**t * norm(start) + push for t in range(STEPS + 1)], dtype=object)
