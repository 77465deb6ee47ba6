"""The report: one file that needs nothing else, with everything of the run in it and nothing that can run."""

from __future__ import annotations

import base64
import copy
import html
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mdplab import plotting
from mdplab.claims.citations import read_bibliography
from mdplab.claims.numerals import duration, numeral, pretty
from mdplab.claims.report import FONT, FONT_LICENCE, ClaimText, report_html, write_report

REFERENCES = read_bibliography(
    """
@misc{doe2023fixed, author = {Doe, Jane and Poe, Max and Roe, Ann}, title = {Fixed Points}, year = {2023}, eprint = {2301.00001}, archiveprefix = {arXiv}}
@book{moe1994book, author = {Moe, Kim}, title = {A Book}, publisher = {A Press}, year = {1994}}
"""
)


def part(name: str, relation: str = "Equal", **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "relation": relation,
        "verdict": "holds",
        "instances": 201,
        "skipped": 3,
        "degenerate": 0,
        "undecided": 0,
        "worst_violation": 3.552713678800501e-15,
        "min_slack": None if relation == "Equal" else 0.034217,
        "tightness": None if relation == "Equal" else 0.99910,
        "routes": ["left route", "right route"],
        "tolerance": {
            "largest_error": 2.31e-13,
            "reason": "rounding of a linear solve times 1/(1-gamma): 1e-12 (1 + |Q|)",
        },
        "exact": "no exact route is declared",
        **changed,
    }


def control(name: str, kind: str = "constant", **changed: Any) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "part": "(ii)", "violated": kind != "repair", "as_expected": True,
        "violation": 0.1703890638, "specified": "0.1703890638", "message": "", **changed,
    }  # fmt: skip


def known(name: str, values: list[float], digits: int = 10) -> list[dict[str, Any]]:
    return [
        {"name": f"{name} [{i}]", "printed": f"{v:.{digits}f}", "computed": v + 3e-12, "passed": True}
        for i, v in enumerate(values)
    ]


def record(identifier: str, **changed: Any) -> dict[str, Any]:
    rows = changed.get("known_values", [])
    return {
        "id": identifier,
        "family": "soft_residual",
        "papers": ["doe2023fixed"],
        "expect": "holds",
        "verdict": "holds",
        "message": "",
        "parts": [part("(i)")],
        "known_values": rows,
        "known_values_passed": sum(row["passed"] for row in rows),
        "known_values_total": len(rows),
        "controls": [],
        "worst_instance": None,
        "seconds": 4.211,
        **changed,
    }


def sample_run() -> dict[str, Any]:
    random = np.random.default_rng(7)
    kernel = random.dirichlet(np.ones(3), size=(3, 2)).tolist()
    return {
        "run": {
            "command": ["python", "-m", "proofs_check", "run", "--json", "results/verdicts.json"],
            "options": {"instances": None, "seed": 0, "jobs": 2},
            "seed": 0,
            "version": "0.1.0",
            "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "platform": {"python": "3.11.7", "system": "Linux x86_64", "packages": {"numpy": "2.4.6", "scipy": "1.17.1"}},
            "started": "2026-01-31T09:30:00+00:00",
        },
        "records": [
            record(
                "fixed-point",
                parts=[part("(i)"), part("(ii)", worst_violation=0.0), part("(iii)", worst_violation=8.9e-15)],
                papers=["doe2023fixed", "moe1994book"],
                known_values=known("value of the inherent task", [9.1681223111, 8.6551786198, 8.8279483543])
                + known("$Q_R$", [0.9316275960, -1.6149332931]),
                controls=[
                    control(r"$\omega$ in the place of $\omega\alpha$"),
                    control("no lookahead", "mutation", violation=0.121298018, specified="0.1212980180"),
                    control("a uniform prior in the place of the optimal one", "assumption", violation=3.2e-7, specified=None),
                ],
                worst_instance={
                    "part": "(i)", "instance": "instance 17", "seed": 0,
                    "data": {"discount": 0.97, "transition": kernel, "reward": [[0.25, 1.5], [1.0, 0.0], [-2.0, 0.125]],
                             "scores": random.normal(size=40).tolist()},
                },
            ),
            record(
                "strong-duality",
                family="dual_rl",
                parts=[part("(a)", "AtMost"), part("(b)", "Separates", min_slack=4.994772909829)],
                known_values=known("value", [0.71017277980], 10),
                controls=[control(r"$\mu_0$ for $(1-\gamma)\mu_0$ in the dual", "mutation", violation=4.994772909829)],
                seconds=74.6,
            ),
            record(
                "best-of-n",
                family="finite_models",
                parts=[part("(a)", "AtMost"), part("(b)", "Rate", tightness=None, min_slack=0.0961)],
                controls=[control("bound $\\log n - 1$", violation=0.25)],
                seconds=0.204,
            ),
            record(
                "best-of-n.equality",
                family="finite_models",
                expect="refuted",
                verdict="refuted",
                parts=[part("equality", verdict="violated", instances=1, skipped=0, worst_violation=0.1769388392)],
                controls=[control("repair: part (a) on counterexample 0", "repair", violated=False, violation=-0.17, specified=None)],
                worst_instance={"part": "equality", "instance": "counterexample 0", "seed": 0, "data": {"p": [0.5, 0.5], "n": 4}},
                seconds=0.003,
            ),
        ],
    }  # fmt: skip


def drawing(prefix: str) -> str:
    with plotting.style():
        figure, axes = plotting.new_figure(2)
        t = np.arange(1, 101)
        axes[0].loglog(t, 1 / t, label="gap")
        axes[0].loglog(t, 17 / t, "--", label="bound")
        axes[0].set(xlabel="$T$", ylabel="value", title="natural policy gradient")
        axes[0].legend()
        axes[1].imshow(np.arange(12).reshape(3, 4))
        axes[1].grid(False)
        return plotting.figure_to_svg(figure, prefix=prefix)


def sample_texts() -> dict[str, ClaimText]:
    shared = {"source": "as in the paper", "papers": ["doe2023fixed"]}
    return {
        "fixed-point": ClaimText(
            title="Customising a max-ent policy without its reward gives exactly the max-ent policy of the combined task",
            statement=r"""
Let $\pi$ be the max-ent optimal policy of $(P, r, \gamma)$ at temperature $\alpha > 0$, and let the target task have
the reward $\hat r = \omega r + r_R$, $\omega \ge 0$, and the temperature $\hat\alpha > 0$. With
$\omega' = \omega\alpha$ let $Q_R$ be the unique fixed point of
$$Q_R(s,a) = r_R(s,a) + \gamma \sum_{s'} P(s'|s,a)\, \hat\alpha \log \sum_{a'}
  \exp\frac{Q_R(s',a') + \omega' \log \pi(a'|s')}{\hat\alpha}.$$
Then (i) $Q_R = \hat Q^* - \omega Q^*$, (ii) $\hat\pi^*(a|s) \propto
\exp\big((Q_R(s,a) + \omega' \log\pi(a|s))/\hat\alpha\big)$, and (iii) $\hat\alpha \log \sum_a
\exp((Q_R + \omega' \log\pi)/\hat\alpha) = \hat V^* - \omega V^*$.
""",
            source="as in the paper",
            theorem="fixed point of residual soft Q iteration",
            assumptions=[
                ("A1", r"$\pi$ is exactly max-ent optimal for $(r, \alpha)$", "a uniform prior in the place of the optimal one"),
                ("A2", "the target task has the same kernel", "definitional"),
                ("A5", r"$\hat\alpha > 0$ and finite rewards, so that $\pi > 0$", "harmless as far as searched"),
            ],
            parts={
                "(i)": r"$Q_R = \hat Q^* - \omega Q^*$",
                "(ii)": r"$\hat\pi^* \propto \exp((Q_R + \omega'\log\pi)/\hat\alpha)$",
                "(iii)": r"$\hat\alpha\log\sum_a\exp((Q_R+\omega'\log\pi)/\hat\alpha) = \hat V^* - \omega V^*$",
            },
            routes={
                name: (
                    "Residual soft Q iteration on the add-on reward and the log-prior alone",
                    "Soft policy iteration on the full task and on the inherent task",
                    ["Newton's method"] if name == "(i)" else [],
                )
                for name in ("(i)", "(ii)", "(iii)")
            },
            papers=["doe2023fixed", "moe1994book"],
            methods=[("Residual <Q>", "tilt", "KL", r"$\pi$ against the prior")],
            figure_svg=drawing("fixed-point"),
            figure_caption=r"Gap and bound against $T$ for the step $\eta = 0.1$; the gap decays geometrically in the end.",
        ),
        "strong-duality": ClaimText(
            title="The $f$-regularised occupancy program equals an unconstrained convex problem in $V$",
            statement=r"""
For $\alpha > 0$ and $f \in \{\mathrm{KL}, \chi^2, \mathrm{TV}\}$

$$\max_{d\ge0,\;B^\top d=(1-\gamma)\mu_0}\langle d,R\rangle-\alpha D_f(d\|d_O)\;=\;\min_{V\in\mathbb R^S}(1-\gamma)\mu_0^\top
V+\alpha\sum_{s,a}d_O(s,a)f^*_p\!\big(\delta_V(s,a)/\alpha\big).$$

For every $\mu$ moreover $E\sum_t\gamma^t[r_R-\beta\,\mathrm{KL}(\mu(\cdot|s_t)\|\pi(\cdot|s_t))+\eta H(\mu(\cdot|s_t))]=E\sum_t\gamma^t[r_R+\beta\log\pi-(\beta+\eta)\log\mu]=\rho^\top(\hat V^\mu_{\hat\alpha}-\omega V^*)$ with $\boxed{\omega'=\beta,\ \omega=\beta/\alpha,\ \hat\alpha=\beta+\eta}$.
""",
            **shared,
            figure_svg=drawing("strong-duality"),
            figure_caption="The same drawing, with identifiers of its own.",
        ),
        "best-of-n": ClaimText(
            title="Law of best-of-$n$, its KL bound, and its win rate",
            statement=r"""$p_n(y)=p(y)\frac{(L_y+E_y)^n-L_y^n}{E_y}$ with $L_y=p(r<r(y))$, $E_y=p(r=r(y))$, and
$\mathrm{KL}(p_n\|p)\le\log n-\frac{n-1}{n}$; the identity is $\begin{pmatrix}1&0\\0&1\end{pmatrix}$, $\boldsymbol\theta\in\mathbb R^d$.""",
            parts={"(a)": r"$\mathrm{KL}(p_n\|p)\le\log n-\frac{n-1}{n}$"},
            routes={"(a)": ("Sums over the outcomes", "Closed form", ["Enumeration of all $|Y|^n$ tuples"])},
            **shared,
        ),
        "best-of-n.equality": ClaimText(
            title="The KL divergence of best-of-$n$ equals $\\log n - (n-1)/n$",
            statement=r"$\mathrm{KL}(p_n\|p)=\log n-\frac{n-1}{n}$ for every $p$.",
            assumptions=[("A1", r"$n\ge1$", "a control of the claim")],
            **shared,
        ),
    }  # fmt: skip


class Page(HTMLParser):
    """Elements, identifiers and texts of a page."""

    VOID = frozenset(["meta", "link", "br", "wbr", "img", "input", "hr"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def report() -> str:
    return report_html(sample_run(), sample_texts(), references=REFERENCES)


@pytest.fixture(scope="module")
def page(report: str) -> Page:
    return Page(report)


def render(run: dict[str, Any], texts: dict[str, ClaimText] | None = None) -> Page:
    return Page(report_html(run, texts or {}, references=REFERENCES))


# --- methods --------------------------------------------------------------------------------------------------------


def test_methods_lead_to_the_claim_that_shows_them(report: str, page: Page) -> None:
    assert "Published methods as instances of one program Method Form" in page.text
    assert "Residual <Q> tilt KL" in page.text
    row = report[report.index("Residual &lt;Q&gt;") :]
    assert row[: row.index("</tr>")].count('<a href="#fixed-point">') == 1


def test_a_report_without_methods_has_no_table_of_them() -> None:
    assert "Published methods" not in render({**sample_run(), "records": sample_run()["records"][1:]}).text


# --- self-contained -------------------------------------------------------------------------------------------------


def test_nothing_is_loaded(report: str, page: Page) -> None:
    loading = {
        "src",
        "srcset",
        "data",
        "poster",
        "background",
        "action",
        "formaction",
        "manifest",
        "xlink:href",
    }
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            if name in loading or (name == "href" and tag != "a"):
                assert (value or "").startswith(("#", "data:")), (tag, name, value)
    assert not page.all("link", "iframe", "object", "embed", "base", "img")
    style = "".join(re.findall(r"<style.*?</style>", report, flags=re.S))
    assert all(
        target.startswith(("data:font/woff2;base64,", "#")) for target in re.findall(r"url\(([^)]*)\)", style)
    )
    assert "@import" not in style
    for script in re.findall(r"<script.*?</script>", report, flags=re.S):
        assert not re.search(r"fetch|XMLHttpRequest|import|https?:", script)


def test_network_addresses_are_citations_alone(page: Page) -> None:
    outside = {a["href"] for a in page.all("a") if not (a["href"] or "").startswith("#")}
    assert outside == {"https://arxiv.org/abs/2301.00001"}


def test_identifiers_are_unique_and_links_arrive(page: Page) -> None:
    identifiers = Counter(attributes["id"] for _, attributes in page.elements if attributes.get("id"))
    assert [name for name, times in identifiers.items() if times > 1] == []
    targets = {(a.get("href") or "")[1:] for _, a in page.elements if (a.get("href") or "").startswith("#")}
    assert targets <= identifiers.keys()
    for attribute in ("aria-labelledby", "aria-describedby"):
        assert {a[attribute] for _, a in page.elements if a.get(attribute)} <= identifiers.keys()


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_embedded_font_has_its_mathematical_table(report: str) -> None:
    from fontTools.ttLib import TTFont

    data = re.search(r"url\(data:font/woff2;base64,([A-Za-z0-9+/=]+)\)", report)
    assert data is not None
    font = TTFont(io.BytesIO(base64.b64decode(data[1])))
    constants = font["MATH"].table.MathConstants
    assert constants.FractionRuleThickness.Value > 0
    taller = font["MATH"].table.MathVariants.VertGlyphCoverage.glyphs
    characters = font.getBestCmap()
    assert {characters[ord(sign)] for sign in "()[]{}|√∑∫"} <= set(taller)
    assert "SIL OPEN FONT LICENSE" in files("mdplab.claims").joinpath(FONT_LICENCE).read_text(
        encoding="utf-8"
    )
    assert len(files("mdplab.claims").joinpath(FONT).read_bytes()) < 150_000


def test_the_font_has_every_character_of_the_formulas(report: str) -> None:
    from fontTools.ttLib import TTFont

    font = TTFont(io.BytesIO(files("mdplab.claims").joinpath(FONT).read_bytes()))
    formulas = "".join(re.findall(r"<math.*?</math>", report, flags=re.S))
    used = set(html.unescape(re.sub(r"<[^>]*>", "", formulas)))
    assert len(used) > 50
    assert {sign for sign in used if ord(sign) not in font.getBestCmap()} == set()


# --- what is said ---------------------------------------------------------------------------------------------------


def test_the_overview_has_a_row_for_each_record(report: str) -> None:
    table = re.search(r'<table class="overview.*?</table>', report, flags=re.S)
    assert table is not None
    overview = Page(table[0])
    links = [a["href"] for a in overview.all("a") if not (a["href"] or "").startswith("#ref-")]
    assert links == ["#fixed-point", "#strong-duality", "#best-of-n", "#best-of-n.equality"]
    rows = re.findall(r"<tr.*?</tr>", table[0], flags=re.S)
    equality = next(Page(row).text for row in rows if "best-of-n.equality" in row)
    assert "refuted, as expected" in equality
    assert "1 of 1" in equality
    duality = next(Page(row).text for row in rows if ">strong-duality<" in row)
    assert "0.9991" in duality
    assert "1 min 15 s" in duality
    assert "Doe et al. (2023)" in duality


def test_the_totals(page: Page) -> None:
    assert "3 of 3 claims hold; 1 of 1 false reading refuted" in page.text
    assert "6 of 6 controls as expected" in page.text
    assert "6 of 6 known values reproduced" in page.text
    assert "all as expected" in page.text


def test_a_section_says_what_the_record_says(report: str) -> None:
    section = re.search(r'<article class="claim" id="fixed-point".*?</article>', report, flags=re.S)
    assert section is not None
    text = Page(section[0]).text
    for words in (
        "Customising a max-ent policy",
        "As in the paper; fixed point of residual soft Q iteration.",
        "Residual soft Q iteration on the add-on reward and the log-prior alone",
        "Newton's method",
        "largest difference",
        "definitional",
        "Dropped by the control a uniform prior in the place of the optimal one",
        "no lookahead",
        "violated, as it must be",
        "5 of 5 reproduced",
        "9.168122311103",
        "instance 17, part (i), seed 0",
        '"discount": 0.97',
        "201 3 skipped",
    ):
        assert words in text, words
    assert "3.55 × 10 −15" in text
    assert section[0].count("<math") > 20
    assert "<svg id=" in section[0]


def test_a_false_reading_says_so(report: str) -> None:
    section = re.search(
        r'<article class="claim reading" id="best-of-n.equality".*?</article>', report, flags=re.S
    )
    assert section is not None
    text = Page(section[0]).text
    assert "False reading" in text
    assert text.count("refuted, as expected") == 1
    assert "Assumptions, all met by the counterexamples A1 n ≥ 1 Counterexamples" in text
    assert "violated, as it must be" in text  # its part
    assert "holds, as it must" in text  # its repair


def test_no_undefined_numbers(report: str, page: Page) -> None:
    assert not re.search(r"\b(NaN|nan|Infinity|inf|None|undefined)\b", page.text)
    assert "{{" not in report
    assert "Undefined" not in report


def test_an_unexpected_record_is_named_at_the_top() -> None:
    run = sample_run()
    bad = run["records"][1]
    bad.update(verdict="violated", message="part (a), instance 3: violated")
    bad["parts"][0].update(verdict="violated", worst_violation=0.25)
    page = render(run)
    assert "1 record not as expected" in page.text
    assert "Not as expected: strong-duality ." in page.text
    assert "part (a), instance 3: violated" in page.text
    assert "0.25 violation" in page.text


def test_a_record_with_a_failing_control_is_not_as_expected() -> None:
    run = sample_run()
    run["records"][2]["controls"][0].update(violated=False, as_expected=False, message="not violated (holds)")
    page = render(run)
    assert "1 record not as expected" in page.text
    assert "0 of 1" in page.text
    assert "not violated (holds)" in page.text


def test_a_missed_known_value_opens_its_table() -> None:
    run = sample_run()
    assert all("open" not in details for details in render(run).all("details"))
    run["records"][0]["known_values"][0].update(passed=False, computed=None)
    run["records"][0]["known_values_passed"] -= 1
    page = render(run)
    assert sum("open" in details for details in page.all("details")) == 1
    assert "4 of 5 reproduced" in page.text


def test_numbers_alone_without_texts() -> None:
    page = render(sample_run())
    assert "The text of this record is not in the registry" in page.text
    assert "left route" in page.text


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, ""),
        ({"exact": "a fitted slope"}, "Certified no: a fitted slope"),
        (
            {"certified": {"instances": 3, "of": 4, "to": "1e-30"}},
            "Certified exactly, on 3 of 4 instances, to 1e-30",
        ),
    ],
)
def test_exact_checks_are_spoken_of_only_where_something_is_declared(
    changed: dict[str, Any], line: str
) -> None:
    run = sample_run()
    run["records"] = [record("one", parts=[part("(i)", **changed)])]
    text = render(run).text
    assert ("Certified" in text) == bool(line)
    assert line in text


def test_no_records() -> None:
    run = sample_run()
    run["records"] = []
    assert "0 of 0 claims hold" in render(run).text


# --- hostile input --------------------------------------------------------------------------------------------------

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'{{ 7077 * 7 }}"


def test_hostile_names_are_text() -> None:
    run = sample_run()
    run["run"]["command"] = HOSTILE
    for entry in run["records"]:
        entry.update(id=entry["id"] + HOSTILE, family=HOSTILE, message=HOSTILE, papers=[HOSTILE])
        for row in (*entry["known_values"], *entry["parts"], *entry["controls"]):
            row["name"] = HOSTILE
        for row in entry["parts"]:
            row.update(routes=[HOSTILE, HOSTILE], exact=HOSTILE)
            row["tolerance"]["reason"] = HOSTILE
        for row in entry["controls"]:
            row.update(message=HOSTILE, kind=HOSTILE)
        entry["worst_instance"] = {
            "part": HOSTILE,
            "instance": HOSTILE,
            "seed": 0,
            "data": {HOSTILE: HOSTILE},
        }
    texts = {
        entry["id"]: ClaimText(
            title=HOSTILE, statement=HOSTILE, source=HOSTILE, theorem=HOSTILE, papers=[HOSTILE], figure_caption=HOSTILE,
            assumptions=[(HOSTILE, HOSTILE, HOSTILE)], parts={HOSTILE: HOSTILE}, routes={HOSTILE: (HOSTILE, HOSTILE, [HOSTILE])},
        )
        for entry in run["records"]
    }  # fmt: skip
    page = render(run, texts)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "49539" not in page.text
    identifiers = Counter(attributes["id"] for _, attributes in page.elements if attributes.get("id"))
    assert max(identifiers.values()) == 1
    assert all(re.fullmatch(r"[A-Za-z][\w.-]*", name or "") for name in identifiers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("</svg>", "<script>alert(1)</script></svg>"), "script element"),
        (("<svg ", '<svg onload="alert(1)" '), "onload"),
        (("</svg>", '<image href="https://example.org/a.png"/></svg>'), "href"),
        (("</svg>", "<style>@import 'a.css';</style></svg>"), "loads something"),
        (("</svg>", '<g style="fill: url(https://example.org/a)"/></svg>'), "loads something"),
        (("</svg>", '<g id="fixed-point"/></svg>'), "the page has already"),
        (("</svg>", ""), "not SVG"),
    ],
)
def test_a_figure_that_is_not_self_contained_is_refused(change: tuple[str, str], message: str) -> None:
    texts = sample_texts()
    old = texts["fixed-point"]
    assert old.figure_svg is not None
    texts["fixed-point"] = ClaimText(
        title=old.title, statement="", figure_svg=old.figure_svg.replace(change[0], change[1], 1)
    )
    with pytest.raises(ValueError, match=f"report of fixed-point: .*{message}"):
        render(sample_run(), texts)


def test_a_bad_formula_names_its_record(tmp_path: Any) -> None:
    texts = {"best-of-n": ClaimText(title="a", statement=r"$\nosuchcommand x$")}
    target = tmp_path / "report.html"
    with pytest.raises(ValueError, match=r"report of best-of-n: .*nosuchcommand"):
        write_report(sample_run(), texts, target, references=REFERENCES)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_written_whole(tmp_path: Any, report: str) -> None:
    target = tmp_path / "new" / "report.html"
    run = sample_run()
    before = copy.deepcopy(run)
    write_report(run, sample_texts(), target, references=REFERENCES)
    assert target.read_text(encoding="utf-8") == report
    assert list(target.parent.iterdir()) == [target]
    assert run == before


def test_the_run_may_come_from_its_file(report: str) -> None:
    again = json.loads(json.dumps(sample_run(), allow_nan=False))
    assert report_html(again, sample_texts(), references=REFERENCES) == report


# --- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.3e-12, "1.3 × 10−12"),
        (-2.5e-7, "−2.5 × 10−7"),
        (9.999e-5, "1 × 10−4"),
        (6.02e23, "6.02 × 1023"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.99996, "1"),
        (0.5, "0.5"),
        (-1234.5678, "−1235"),
        (99999.6, "100000"),
        (12, "12"),
        (None, "–"),
        (float("nan"), "undefined"),
        (float("-inf"), "undefined"),
    ],
)
def test_numeral(value: float | None, text: str) -> None:
    assert re.sub("<[^>]*>", "", numeral(value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0031, "3 ms"),
        (0.2041, "0.20 s"),
        (12.34, "12.3 s"),
        (59.99, "60.0 s"),
        (119.6, "2 min 00 s"),
        (None, "–"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_pretty_data_are_the_data() -> None:
    data = {"a": [0.1 * i for i in range(60)], "b": [[1, 2], [3, 4]], "c": {"d": None}, "e": [], "f": "x"}
    text = pretty(data)
    assert json.loads(text) == data
    assert max(map(len, text.splitlines())) <= 102
    assert '"b": [[1, 2], [3, 4]]' in text
    long = pretty(list(range(10_000)))
    assert "more characters" in long
    assert len(long) < 13_000
