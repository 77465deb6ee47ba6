"""Markdown and formulas as HTML: every formula converts to MathML that browsers implement, or fails loudly."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.claims.alphabets import letters
from mdplab.claims.markup import markdown, markdown_line
from mdplab.claims.mathml import formula

CORE = {
    "math", "mi", "mn", "mo", "mtext", "mspace", "mrow", "mfrac", "msqrt", "mroot", "mstyle", "mpadded", "mphantom",
    "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd",
}  # fmt: skip

FORMULAS = r"""
Q_R(s,a)=r_R(s,a)+\gamma\sum_{s'}P(s'|s,a)\,\hat\alpha\log\sum_{a'}\exp\frac{Q_R(s',a')+\omega'\log\pi(a'|s')}{\hat\alpha}.
\hat\pi^*(a|s)\propto\exp\big((Q_R(s,a)+\omega'\log\pi(a|s))/\hat\alpha\big)
\nabla J=\frac1{1-\gamma}E_{s\sim d^\pi_\rho,a\sim\pi}\big[\nabla\log\pi(a|s)\,(Q^\pi_\alpha(s,a)-\alpha\log\pi(a|s)-b(s))\big]
\nabla J_H=E\big[\sum_{t<H}\gamma^t\nabla\log\pi(a_t|s_t)\sum_{k=t}^{H-1}\gamma^{k-t}(r_k-\alpha\log\pi(a_k|s_k))\big]
E\sum_t\gamma^t[r_R-\beta\,KL(\mu(\cdot|s_t)\|\pi(\cdot|s_t))+\eta H(\mu(\cdot|s_t))]=\rho^\top(\hat V^\mu_{\hat\alpha}-\omega V^*)
\boxed{\omega'=\beta,\ \omega=\beta/\alpha,\ \hat\alpha=\beta+\eta}
V^*(\rho)-V^{(T)}(\rho)\le\frac1T\Big(\frac{\log|A|}{\eta}+\frac{1}{(1-\gamma)^2}\Big)
Q^*_t(x,x')=P_t(x,x')e^{V_{t+1}(x')-V_t(x)}
V_t(x)=\log E_p[p(y|x_T)^\kappa\mid x_t=x]
\min\{(1-\gamma)\mu_0^\top V:BV\ge R\}=\max\{\langle d,R\rangle:B^\top d=(1-\gamma)\mu_0,d\ge0\}=J^*
\max_{d\ge0,\;B^\top d=(1-\gamma)\mu_0}\langle d,R\rangle-\alpha D_f(d\|d_O)\;=\;\min_{V\in\mathbb R^S}f^*_p\!\big(\delta_V(s,a)/\alpha\big).
w_\eta(\tau)=e^{G(\tau)/\eta}/\mathbb E_{p}[e^{G/\eta}\mid s_0(\tau)]
\frac{d}{d(1/\eta)}J(\pi_w)\big|_{0}=\mathbb E_{s_0}\mathrm{Var}(G|s_0)
\max_{\tau\ni s_0}G
V_h=\max(h,\min_aV_h(n(s,a)))
\arg\min_aV_h(n(s,a))
\{V_\gamma\le0\}=K\cup\{s:k(s)\ge\log(M+1)/\log(1/\gamma)\}
\pi_z(\text{arm }0)=\frac{\beta_0p}{\beta_0p+1-\beta_0}
\bar w_p(T\eta,T\eta')\le\gamma\,\bar w_p(\eta,\eta')
(T\eta)(s)=\sum_{s'}P_\pi[s,s']\mathrm{df}(R_\pi[s,s']+\gamma X_{s'})
|\theta_\Delta-\theta_0|_\infty=O(\Delta)
\mathbb E\int\phi\,(\partial_t\phi^\top\theta+\mathcal L\phi^\top\theta+X^2)dt=0
\mathrm{KL}(\pi^*\|\pi_{t+1})\le(1-\eta\tau)\mathrm{KL}(\pi^*\|\pi_t)+c\,\eta^2
\hat\ell_\varepsilon(h)=\frac{(1-\varepsilon)\ell(h)-\varepsilon\ell(-h)}{1-2\varepsilon}
\hat\ell_\varepsilon''=\ell''=\sigma(h)\sigma(-h)
\tilde z=\frac{1\{\text{win}\}-\varepsilon}{1-2\varepsilon}
\pi_\theta\propto\pi_{\rm ref}e^{X\theta}
n\,E[J(\pi^*)-J(\hat\pi)]\to\frac\beta2\mathrm{tr}(FH^{-1}G_\varepsilon H^{-1})
\dot z_i=-p_i(\log\frac{p_i}{q_i}-\mathrm{KL}(p\|q))
\sqrt{d/n}
-(\partial^2_{\theta\nu}J_{low})^\top(\partial^2_\theta J_{low})^\dagger\nabla_\theta J_{R^\dagger}
F=\mathrm{blockdiag}_s\,d(s)(\mathrm{diag}\pi_s-\pi_s\pi_s^\top)
\mathbb R^{S\times A\times K}
p_n(y)=p(y)\frac{(L_y+E_y)^n-L_y^n}{E_y}
\begin{pmatrix}1&0\\0&1\end{pmatrix}\boldsymbol\theta+\mathbf{1}
\begin{cases}x&x\ge0\\0&x<0\end{cases}
\begin{align*}a&=b\\c&=d\end{align*}
\operatorname{tr}A+\operatorname*{argmax}_a Q\left(\frac{s}{a}\right)\binom nk
\underbrace{a+b}_{n}\overline{AB}\vec x\ddot y\widehat V
x_1,\dots,x_n;\quad\lVert x\rVert_1\lfloor x\rfloor\;\mathfrak g\tfrac12\pm d_O\odot w\neq0
""".strip().splitlines()


def pieces(html: str) -> list[ET.Element]:
    return [ET.fromstring(piece) for piece in re.findall(r"<math.*?</math>", html, flags=re.S)]


def only(html: str) -> ET.Element:
    (root,) = pieces(html)
    return root


def operator(latex: str, sign: str) -> ET.Element:
    return next(mo for root in pieces(formula(latex)) for mo in root.iter("mo") if mo.text == sign)


@pytest.mark.parametrize("display", [False, True])
@pytest.mark.parametrize("latex", FORMULAS)
def test_every_formula_converts_to_what_browsers_implement(latex: str, display: bool) -> None:
    html = formula(latex, display=display)
    roots = pieces(html)
    assert roots
    for root in roots:
        for element in root.iter():
            assert element.tag in CORE
            assert element.get("mathvariant") in {None, "normal"}
            assert "\\" not in (element.text or "")
            assert element.get("class") not in {"op", "word"}
        if display:
            assert root.get("displaystyle") == "true"


def test_cutting_loses_nothing() -> None:
    html = formula(r"V_1=(0.9235637016,0.3826056426,0.1275262428)+P(s,a)-\gamma\sum_tW(s,a,t)=0")
    assert len(pieces(html)) > 3
    assert html.count("<wbr>") == len(pieces(html)) - 1
    whole = "".join("".join(root.itertext()) for root in pieces(html))
    assert whole == "V1=(0.9235637016,0.3826056426,0.1275262428)+P(s,a)−γ∑tW(s,a,t)=0"
    texts = re.sub("<(?!wbr)[^>]*>", "", html).split("<wbr>")
    assert texts[1].endswith("0.3826056426,")  # between long numbers
    assert not any(text.endswith(("s,", "a,")) for text in texts)  # but not between arguments
    for root in pieces(html)[:-1]:
        assert root[-1].get("form") == "infix"  # the sign at the end of a line keeps its spaces
    assert len(pieces(formula("(s,a)=b"))) == 1


@pytest.mark.parametrize(
    "latex",
    [
        "",
        "  ",
        r"\nosuchcommand x",
        r"\frac{a}",
        r"a & b",
        r"a \\ b",
        r"x_a_b",
        r"\begin{pmatrix}1",
        r"{a",
        r"\href{x}{y}",
    ],
)
def test_what_cannot_be_converted_fails(latex: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        formula(latex)


def test_alphabets_are_characters() -> None:
    text = "".join(
        only(formula(r"\mathbb R\mathcal L\mathbf x\boldsymbol\theta\mathfrak g\mathbb 1")).itertext()
    )
    assert text == "ℝℒ𝐱𝜽𝔤𝟙"


def test_words_are_one_upright_operator_spaced_as_in_tex() -> None:
    kl = operator(r"\beta\mathrm{KL}(p\|q)", "KL")
    assert (kl.get("lspace"), kl.get("rspace")) == ("0.1667em", "0em")
    log = operator(r"\alpha\log x", "log")
    assert (log.get("lspace"), log.get("rspace")) == ("0.1667em", "0.1667em")
    first = operator(r"\log x", "log")
    assert first.get("lspace") == "0em"
    after_sign = operator(r"-\log x", "log")
    assert after_sign.get("lspace") == "0em"
    assert only(formula(r"\pi_{\rm ref}")).find("msub/mi[2]") is not None
    assert "".join(only(formula(r"\pi_{\rm ref}")).itertext()) == "πref"
    one = only(formula(r"\mathrm d x"))
    assert one[0].get("mathvariant") == "normal"


def test_limits_go_below_in_a_display() -> None:
    root = only(formula(r"\max_a Q", display=True))
    assert root[0].tag == "munder"
    assert root[0][0].get("movablelimits") == "true"  # and beside the word within a line
    assert only(formula(r"\log_a Q"))[0].tag == "msub"


def test_signs_with_one_operand_have_no_space() -> None:
    assert operator("-x", "−").get("form") == "prefix"
    assert operator("(-x)", "−").get("rspace") == "0em"
    assert operator("a=-x", "−").get("lspace") == "0em"
    assert operator(r"\pi(\cdot|s)", "·").get("rspace") == "0em"
    assert operator(r"d(\cdot)", "·").get("lspace") == "0em"
    assert operator("a-b", "−").get("lspace") is None
    assert operator("x_{t-1}", "−").get("lspace") == "0em"
    assert operator("a/b", "/").get("rspace") == "0em"
    assert operator("x_{t=0}", "=").get("lspace") == "0em"
    assert operator(r"\{V:V>0\}", ":").get("lspace") == operator(r"x\sim U", "∼").get("rspace") == "0.2778em"


def test_primes_accents_and_stars() -> None:
    assert [child.tag for child in only(formula("s'"))[0]] == ["mi", "mo"]
    hat = only(formula(r"\hat x"))[0]
    assert (hat.tag, hat.get("accent"), hat[1].get("stretchy")) == ("mover", "true", "false")
    line = only(formula(r"\overline{AB}"))[0]
    assert line[1].get("stretchy") == "true"
    star = only(formula(r"\hat Q^*"))[0]
    assert (star.tag, star[0].tag, star[1].tag, star[1].text) == ("msup", "mpadded", "mi", "∗")
    assert star[0].get("height") != only(formula(r"\hat\pi^*"))[0][0].get("height")


def test_text_and_formulas() -> None:
    html = markdown("Let $x<y$ & *both* be **so**; `$z$` is code.\n\nCosts \\$5.")
    assert html.count("<math") == 1
    assert "<em>both</em>" in html
    assert "<strong>so</strong>" in html
    assert "<code>$z$</code>" in html
    assert "Costs $5." in html
    assert "&amp; " in html
    assert html.count("<p>") == 2


def test_a_display_may_interrupt_a_paragraph_and_span_lines() -> None:
    html = markdown("The fixed point of\n$$a\n  + b\n= c$$\nis $d$, and $$e$$ too.")
    assert html.count('class="display"') == 2
    assert "<ul>" not in html
    assert "<h2>" not in html
    assert "".join(pieces(html)[0].itertext()) == "a+b=c"
    assert html.index("display") < html.index("is <span")


def test_underscores_and_stars_within_formulas_are_not_emphasis() -> None:
    html = markdown("$a_1*b_2*c$ and $a_1*b_2*c$")
    assert "<em>" not in html


def test_no_line_begins_with_a_comma() -> None:
    assert re.search(r'<span class="joined"><math>.*</math>,</span> then', markdown_line("$x$, then"))
    assert markdown_line("so ($x$)") == 'so <span class="joined">(<math><mi>x</mi></math>)</span>'
    assert "-norm" in re.sub("<[^>]*>", "", markdown_line("the $p$-norm"))


@pytest.mark.parametrize("text", ["a $x", "$$x$", "a $$x", r"$\nosuch$"])
def test_unfinished_formulas_fail(text: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        markdown(text)


def test_nothing_dangerous_passes() -> None:
    html = markdown(
        '<script>x</script> ![a](http://b/c.png) [d](javascript:e) <http://f.org>\n\n# no heading\n\n<div onclick="x">'
    )
    assert "<script" not in html
    assert "<img" not in html
    assert "<div" not in html
    assert "<h1" not in html
    assert 'href="javascript' not in html


@given(st.text(alphabet="abc<>&\"'`*_[]()!#-+\n 1.", max_size=60))
def test_any_text_without_formulas_is_html(text: str) -> None:
    html = markdown(text)
    assert set(re.findall(r"</?([a-z0-9]+)", html)) <= {
        "p", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br", "a",
    }  # fmt: skip


def test_letters() -> None:
    assert letters("aZ9", "bold") == "𝐚𝐙𝟗"
    assert letters("RCx", "double-struck") == "ℝℂ𝕩"
    assert letters("h", "italic") == "ℎ"
    assert letters("θ∂ϕ", "bold-italic") == "𝜽𝝏𝝓"
    assert letters("θ+", "script") == "θ+"
    assert letters("x", None) == letters("x", "normal") == "x"
    with pytest.raises(ValueError, match="sans"):
        letters("x", "sans")
