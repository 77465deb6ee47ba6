"""Falsify your own conjecture.

Write an inequality about all MDPs on one line; a search answers with a counterexample.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Falsify your own conjecture", css_file="board.css")

with app.setup:
    from html import escape
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import BLUE, GREY, ORANGE, headline, picture, question, warm_up
    from conjecture_line import WORDS, family, read

    import mdplab
    from mdplab.falsifier import Falsification, as_text

    BROKEN = {"at most": "above", "at least": "below", "equal": "off"}
    FIRST = "a mixture is no worse than both"
    CONJECTURES = {
        FIRST: "min(J(p), J(q)) <= J((p + q)/2)",
        "the greedy policy is no worse": "V(p) <= V(greedy(V(p)))",
        "greedy on the mean of values": "max(V(p), V(q)) <= V(greedy((V(p) + V(q))/2))",
        "greedy on the larger values": "max(V(p), V(q)) <= V(greedy(max(V(p), V(q))))",
        "close policies, close returns": "abs(J(p) - J(q)) <= 2*rmax*tv(p, q)/(1 - gamma)",
        "the same, with the square": "abs(J(p) - J(q)) <= 2*rmax*tv(p, q)/(1 - gamma)**2",
    }


@app.function
def nearest(left: Any, right: Any, kind: str) -> tuple[float, float]:
    """The entry of two sides that is nearest to a violation."""
    left, right = np.ravel(left), np.ravel(right)
    excess = {"at most": left - right, "at least": right - left, "equal": abs(left - right)}[kind]
    worst = int(np.argmax(excess))
    return float(left[worst]) + 0.0, float(right[worst]) + 0.0  # no -0


@app.function
def search(line: str, tries: int) -> tuple[Falsification, Any]:
    """What the falsifier finds, and both sides (n, 2) on all models that it tried."""
    conjecture = read(line)
    tried = []

    def sides(case: Any) -> tuple[Any, Any]:
        left, right = conjecture.sides(case)
        tried.append(nearest(left, right, conjecture.kind))
        return left, right

    watched = mdplab.Conjecture(sides, conjecture.kind, name=line)
    found = mdplab.falsify(watched, family, evaluations=tries)
    if found.verdict == "refuted":  # a larger budget finds it at the same place, and shrinks it further
        found = mdplab.falsify(watched, family, evaluations=max(tries, 1000))
    return found, np.array(tried)


@app.function
def refusal(line: str, fault: str) -> mo.Html:
    """What is wrong with a line, which is shown as it was typed."""
    return mo.Html(f'<p class="refusal"><b><code>{escape(line)}</code></b> {escape(fault)}</p>')


@app.function
def draw(line: str, tries: int) -> mo.Html:
    """A dot for each model that was tried, and the counterexample in numbers; or what is wrong with the line."""
    try:
        found, tried = search(line, tries)
    except ValueError as error:
        return refusal(line, f"is not a conjecture: {error}")
    if found.extremal is None:
        return refusal(line, f"cannot be computed: {found.message}")
    refuted = found.verdict == "refuted"
    left, right = nearest(found.extremal.left, found.extremal.right, found.conjecture.kind)

    def paint(ax: Any) -> None:
        dots = tried[np.isfinite(tried).all(axis=1)][:600]
        spread = float(np.quantile(abs(dots), 0.97))
        near = 3.0 * max(abs(left), abs(right))  # so that a counterexample stands clear of the line
        size = max(near if refuted else 1.15 * spread, 1e-9)
        ax.plot([-size, size], [-size, size], color=GREY, lw=1.2)
        ax.plot(dots[:, 1], dots[:, 0], "o", color=BLUE, ms=3.5, alpha=0.5)
        if refuted:
            ax.plot(right, left, "*", color=ORANGE, ms=20, mec="white", label="counterexample")
            ax.legend(loc="lower right")
        side = f"{BROKEN[found.conjecture.kind]} the line: broken"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2.0}
        ax.text(0.02, 0.97, side, va="top", transform=ax.transAxes, bbox=box)
        ax.set_xlim(-size, size)
        ax.set_ylim(-size, size)
        ax.set_xlabel("right side")
        ax.set_ylabel("left side")
        colour = ORANGE if refuted else "black"
        ax.set_title(f"{found.verdict}; models tried: {found.evaluations}", color=colour, weight="bold")

    mdp, policies = found.instance
    text = "\n".join(
        [as_text(mdp), *(as_text(policy, name=name) for policy, name in zip(policies, "pq", strict=True))]
    )
    head = "The counterexample" if refuted else "The model that comes nearest"
    numbers = mo.md(f"**{head}**: left = {left:.4g}, right = {right:.4g}\n\n```text\n{text}\n```")
    return mo.vstack([picture(paint, title="Both sides of the conjecture", size=(5.6, 3.0)), numbers], gap=0)


@app.cell
def _():
    headline(
        "Falsify your own conjecture",
        "Write an inequality that should hold for *every* MDP and *all* policies p, q. The words:\n\n"
        + "; ".join(f"`{word}` {meaning}" for word, meaning in WORDS.items())
        + ".",
    )
    return


@app.cell
def _():
    example = mo.ui.dropdown(CONJECTURES, value=FIRST, label="try", allow_select_none=False)
    return (example,)


@app.cell
def _(example):
    line = mo.ui.text(value=example.value, label="your conjecture", full_width=True)
    return (line,)


@app.cell
def _(example, line, tries):
    mo.vstack([example, line, tries], gap=0.2)
    return


@app.cell
def _():
    tries = mo.ui.slider(
        steps=[100, 200, 500, 1000, 3000], value=100, label="models to try", show_value=True, full_width=True
    )
    return (tries,)


@app.cell
def _():
    question(
        "Three of the six examples are false. Which? What does *not refuted* tell us?",
        r"""
The mixture, the mean of values, and the bound without the square: an error made at every step adds up over
$1/(1-\gamma)$ steps twice. A counterexample is a proof. *Not refuted* is none: the mixture survives 500 models, not 1000.
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, CONJECTURES[FIRST], 50)
    return (show,)


@app.cell
def _(line, show, tries):
    show(line.value, tries.value)
    return


if __name__ == "__main__":
    app.run()
