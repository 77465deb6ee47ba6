"""Gumbel regression as the KL instance of semi-gradient dual-V (Garg et al. 2023, XQL; Sikchi et al. 2023).

The loss returns a log-sum-exp of the values in the data; the weight of dual-V shifts it, without limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import rounding
from proofs_check.dual_rl import exact_locations as exact
from proofs_check.dual_rl.location_routes import closed, formula, located, log_error, log_sum_exp
from proofs_check.dual_rl.location_tasks import LocationTask, location_law, three_atoms

# --- the routes ------------------------------------------------------------------------------------------------------


def exponents(task: LocationTask) -> FloatArray:
    """``(q - V) / beta``."""
    return np.asarray((task.atoms - task.place) / task.temperature)


def loss_size(task: LocationTask) -> float:
    """Size of the terms of either form of the Gumbel loss."""
    z = exponents(task)
    terms = (1 + np.abs(z)) * (1 + np.exp(z))
    return float(task.temperature * (task.masses * terms).sum() + abs(task.place) + np.abs(task.atoms).max())


def loss_error(task: LocationTask) -> FloatArray:
    """Rounding of either form of the Gumbel loss."""
    return rounding(loss_size(task), 2 * task.atoms.size + 16)


def gumbel_loss(task: LocationTask) -> Side:
    """Gumbel regression loss beta E[e^z - z - 1]."""
    z = exponents(task)
    return Side(task.temperature * float((task.masses * (np.exp(z) - z - 1)).sum()), loss_error(task))


def dual_loss(task: LocationTask) -> Side:
    """Semi-gradient dual-V loss V + beta E f*(z) - E q with f* = e^y - 1."""
    conjugate = float((task.masses * np.expm1(exponents(task))).sum())
    # masses sum to one but for rounding
    return Side(task.place + task.temperature * conjugate - float(task.masses @ task.atoms), loss_error(task))


def even_minimiser(task: LocationTask) -> Side:
    """Minimiser of the Gumbel loss: root of the derivative at weight 1/2."""
    found = located(task.at(0.5), ("gumbel",))
    return Side(np.ravel(found.value), np.ravel(found.error))


def even_formula(task: LocationTask) -> Side:
    """beta log E e^(q / beta)."""
    return Side([log_sum_exp(task)], log_error(task))


def weighted_minimisers(task: LocationTask) -> Side:
    """Minimisers of (1 - lambda) V + lambda beta E f*(z): roots of the derivative, four weights."""
    return located(task, ("gumbel",))


def shifted_formula(task: LocationTask) -> Side:
    """beta log E e^(q / beta) + beta log(lambda / (1 - lambda))."""
    return closed(task, ("gumbel",))


ONE, WIDE = three_atoms(0.9, 0.99, 0.999), three_atoms(0.9, 0.99, 0.999, temperature=2.0)

XQL = Claim(
    "xql-gumbel-is-dual-v",
    title="Gumbel regression is the KL instance of dual-V and returns a log-sum-exp",
    papers=("sikchi2023dual", "garg2023xql"),
    provenance="as in the paper",
    theorem="XQL as dual-V; the weight formula is our addition",
    statement=r"""
    Let $q$ be a value with finite support, $\beta > 0$, $z = (q - V)/\beta$ and $f^*(y) = e^y - 1$.

    (i) $\beta\,\mathbb E[e^z - z - 1] = V + \beta\,\mathbb E f^*(z) - \mathbb E q$, minimal at
    $V = \beta\log\mathbb E e^{q/\beta}$.

    (ii) With a weight $\lambda$ the minimiser is
    $$\arg\min_V\ (1-\lambda)V + \lambda\beta\,\mathbb E f^*(z)
      = \beta\log\mathbb E e^{q/\beta} + \beta\log\frac{\lambda}{1-\lambda},$$
    which diverges as $\lambda \to 1$.
    """,
    methods=(
        Method(
            "Extreme Q-learning (XQL)",
            "dual in V",
            "KL",
            "the occupancy against the data, by semi-gradient",
        ),
    ),
    assumptions=(Assumption("A1", "finite support", DEFINITIONAL),),
    instance_family=location_law,
    witnesses=(ONE, WIDE),
    instances=100,
)  # fmt: skip
objective = XQL.part(
    "(i)",
    r"$\beta\,\mathbb E[e^z - z - 1] = V + \beta\,\mathbb E f^*(z) - \mathbb E q$ at every $V$",
    Equal(gumbel_loss, dual_loss),
    resolution=lambda task: 1e-12 * loss_size(task),
    reason="rounding of the terms of both forms, relative to their size",
    exact=(exact.gumbel_loss, exact.dual_loss),
)
even = XQL.part(
    "(i, minimiser)",
    r"the minimiser is $\beta\log\mathbb E e^{q/\beta}$",
    Equal(even_minimiser, even_formula),
    resolution=1e-10,
    reason="proven signs of the derivative: 1e-12; closed form",
    exact=(exact.even_minimiser, exact.even_formula),
)
uneven = XQL.part(
    "(ii)",
    r"with weight $\lambda$ it is larger by $\beta\log\frac\lambda{1-\lambda}$",
    Equal(weighted_minimisers, shifted_formula),
    resolution=1e-10,
    reason="proven signs of the derivative: 1e-12; closed form",
    exact=(exact.weighted_minimisers, exact.shifted_formula),
)


@XQL.known(ONE)
def _(task: LocationTask) -> Any:
    sums = [log_sum_exp(three_atoms(temperature=b)) for b in (1.0, 0.5, 2.0)]
    printed = "1.6738374113789 2.2118389957584 1.2741631337925"
    yield Known("minimiser at temperatures 1, .5, 2", printed, sums, 1e-14)
    weighted = weighted_minimisers(task).value
    yield Known(
        "minimiser at weights .9, .99, .999",
        "3.8710619887151 6.2689572615135 8.5805921900274",
        weighted,
        1e-12,
    )


objective.control(
    "without the term z",
    kind="mutation",
    instance=ONE,
    left=lambda task: Side(
        task.temperature * float((task.masses * np.expm1(exponents(task))).sum()), loss_error(task)
    ),
)
even.control(
    r"the generator $x\log x$, whose conjugate is $e^{y-1}$",
    kind="mutation",
    instance=WIDE,
    left=lambda task: Side(
        np.ravel(located(task.at(0.5), ("gumbel",), task.law.shift(-task.temperature)).value)
    ),
    specified="2",
)
uneven.control(
    "the weights exchanged",
    kind="mutation",
    instance=ONE,
    right=lambda task: Side(2 * log_sum_exp(task) - np.asarray(shifted_formula(task).value), 1e-13),
)


@XQL.figure(
    "Minimiser of the weighted Gumbel loss for the values 0, 1, 3 with probabilities .5, .3, .2 at temperature 1, against "
    "the weight. It crosses the largest value in the data (line) and rises without limit."
)
def _(ax: Any) -> None:
    odds = np.linspace(-1.0, 4.0, 60)
    task = three_atoms()
    values = [formula(task, "gumbel", 1 / (1 + 10.0**-k)) for k in odds]
    ax.plot(odds, values, color="C0", label=r"$V_\lambda$")
    ax.axhline(task.top, color="0.4", linestyle="--", label="largest value $x^*$")
    cross = (task.top - log_sum_exp(task)) / np.log(10)
    ax.plot([cross], [task.top], "o", color="C1")
    ax.set(xlabel=r"$\log_{10}\,\lambda/(1-\lambda)$", ylabel=r"minimiser $V_\lambda$")
    ax.legend(fontsize="small")
