"""Location parameters in exact arithmetic: roots between kinks in rationals, those of exponentials as enclosed zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.dual_rl.location_tasks import PIECES, root_of_pieces

if TYPE_CHECKING:
    from proofs_check.dual_rl.location_tasks import LocationTask

LOSSES = (
    "truncated-total-variation",
    "truncated-chi-square",
    "chi-square",
    "truncated-square",
    "total-variation",
    "gumbel",
)


def law(task: LocationTask) -> tuple[Array, Array]:
    """Atoms and masses."""
    return mdplab.exact.rational(task.atoms), mdplab.exact.laws(task.masses)


def weights(task: LocationTask) -> Array:
    """The weights."""
    return np.asarray(mdplab.exact.rational(task.weights))


def rational_pieces(loss: str) -> tuple[Any, Any, Any]:
    """The slope of a loss in rationals."""
    kink, constant, slope = mdplab.exact.rational(np.array(PIECES[loss], dtype=float))
    return kink, constant, slope


def gumbel_root(task: LocationTask, weight: Any) -> Any:
    """The zero of ``weight E e^((q - V) / beta) / (1 - weight) - 1``, enclosed from the zero of floats."""
    atoms, masses = law(task)
    beta = mdplab.exact.rational(task.temperature)
    near = float(mdplab.exact.floats(np.array([weight]))[0][0])
    start = mdplab.solvers.implicit_maximiser(
        task.law, loss="gumbel", weight=near, temperature=task.temperature
    ).value

    def system(v: Array) -> tuple[Array, Array]:
        pull = (masses * mdplab.exact.exp((atoms - v[0]) / beta)).sum() * weight / (1 - weight)
        return np.array([pull - 1]), np.array([[-pull / beta]])

    return mdplab.exact.enclose_zero(system, np.array([start]))[0]


def log_sum_exp(task: LocationTask) -> Any:
    """``beta log E e^(q / beta)``."""
    atoms, masses = law(task)
    found = mdplab.exact.log_sum_exp(
        atoms, temperature=mdplab.exact.rational(task.temperature), log_reference=mdplab.exact.log(masses)
    )
    return np.ravel(found)[0]


def root(task: LocationTask, loss: str, weight: Any) -> Any:
    """The smallest minimiser."""
    if loss == "gumbel":
        return gumbel_root(task, weight)
    atoms, masses = law(task)
    found = root_of_pieces(atoms, masses, weight, rational_pieces(loss))
    return max(found, atoms[-1] - mdplab.exact.rational(0.5)) if loss == "total-variation" else found


def table(task: LocationTask, losses: tuple[str, ...]) -> Array:
    """Smallest minimisers (rows: losses, columns: weights)."""
    return np.array([[root(task, loss, w) for w in weights(task)] for loss in losses], dtype=object)


def gumbel_loss(task: LocationTask) -> Any:
    """``beta E[e^z - z - 1]``."""
    atoms, masses = law(task)
    beta = mdplab.exact.rational(task.temperature)
    z = (atoms - mdplab.exact.rational(task.place)) / beta
    return beta * (masses * (mdplab.exact.exp(z) - z - 1)).sum()


def dual_loss(task: LocationTask) -> Any:
    """``V + beta E (e^z - 1) - E q``."""
    atoms, masses = law(task)
    beta, place = mdplab.exact.rational(task.temperature), mdplab.exact.rational(task.place)
    pull = (masses * mdplab.exact.exp((atoms - place) / beta)).sum()
    return place + beta * (pull - 1) - (masses * atoms).sum()


def even_minimiser(task: LocationTask) -> Array:
    """The zero of the derivative at weight 1/2."""
    return np.array([gumbel_root(task, mdplab.exact.rational(0.5))])


def even_formula(task: LocationTask) -> Array:
    """``beta log E e^(q / beta)``."""
    return np.array([log_sum_exp(task)])


def weighted_minimisers(task: LocationTask) -> Array:
    """Zeros of the derivative at all weights."""
    return table(task, ("gumbel",))


def shifted_formula(task: LocationTask) -> Array:
    """``beta log E e^(q / beta) + beta log(lambda / (1 - lambda))``."""
    w = weights(task)
    odds = mdplab.exact.log(w / (1 - w))
    return np.array([log_sum_exp(task) + mdplab.exact.rational(task.temperature) * odds])


def smaller(task: LocationTask) -> Array:
    """Smallest minimisers at all weights but the largest."""
    return table(task, LOSSES)[:, :-1]


def larger(task: LocationTask) -> Array:
    """Smallest minimisers at the next weights."""
    return table(task, LOSSES)[:, 1:]


def truncated(task: LocationTask) -> Array:
    """Smallest minimisers of both truncated losses."""
    return table(task, LOSSES[:2])


def largest(task: LocationTask) -> Array:
    """The largest atom."""
    return np.full((2, task.weights.size), law(task)[0][-1])


def missing(task: LocationTask) -> Array:
    """Distance of the minimiser of the truncated square to the largest atom."""
    return np.asarray(law(task)[0][-1] - table(task, ("truncated-square",)))


def odds_against(task: LocationTask) -> Array:
    """``(1 - lambda) / lambda``."""
    w = weights(task)
    return np.array([(1 - w) / w])


def least_distance(task: LocationTask) -> Array:
    """``(1 - lambda) / (2 lambda)``."""
    return np.asarray(odds_against(task) / 2)


def most_distance(task: LocationTask) -> Array:
    """``(1 - lambda) / (2 lambda p_n)``."""
    return np.asarray(odds_against(task) / (2 * law(task)[1][-1]))


def full(task: LocationTask) -> Array:
    """Smallest minimisers of the full losses."""
    return table(task, ("chi-square", "total-variation", "gumbel"))


def overshoot(task: LocationTask) -> Array:
    """Their closed forms."""
    atoms, masses = law(task)
    square = atoms[-1] + 2 - 2 * odds_against(task)[0] / masses[-1]
    variation = np.full(task.weights.size, atoms[-1] + mdplab.exact.rational(0.5))
    return np.array([square, variation, shifted_formula(task)[0]], dtype=object)


def secants(task: LocationTask) -> Array:
    """Steepness of the truncated total-variation loss between neighbouring places."""
    atoms, masses = law(task)
    w = weights(task)[:, np.newaxis]
    v = mdplab.exact.rational(np.linspace(task.atoms[0] - 3.0, task.atoms[-1] + 1.0, 9))
    excess = np.maximum(atoms[:, np.newaxis] - v, 0 * v[0])
    loss = (1 - w) * v + w * (masses[:, np.newaxis] * excess).sum(axis=0)
    return np.asarray(abs(np.diff(loss, axis=1) / np.diff(v)))


def steepest(task: LocationTask) -> Array:
    """``max(lambda, 1 - lambda)``."""
    w = weights(task)
    return np.repeat(np.maximum(w, 1 - w)[:, np.newaxis], 8, axis=1)


def expectile(task: LocationTask, weight: Any) -> Any:
    """The expectile: the mean in which atoms above it count ``tau`` and those below ``1 - tau``."""
    atoms, masses = law(task)
    for k in range(atoms.size):
        count = masses * np.where(np.arange(atoms.size) > k, weight, 1 - weight)
        v = (count * atoms).sum() / count.sum()
        if k == atoms.size - 1 or v <= atoms[k + 1]:
            return v
    raise ValueError("no atom bounds the expectile")


def expectile_gap(task: LocationTask) -> Array:
    """``x* - v`` at all weights."""
    return np.array([law(task)[0][-1] - expectile(task, w) for w in weights(task)])


def expectile_bound(task: LocationTask) -> Array:
    """``(1 - tau) / tau (x* - E X) / p_n``."""
    atoms, masses = law(task)
    return np.asarray(odds_against(task)[0] * (atoms[-1] - (masses * atoms).sum()) / masses[-1])


def expectiles_before(task: LocationTask) -> Array:
    """Expectiles at all weights but the largest."""
    return np.array([expectile(task, w) for w in weights(task)[:-1]])


def expectiles_after(task: LocationTask) -> Array:
    """Expectiles at the next weights."""
    return np.array([expectile(task, w) for w in weights(task)[1:]])
