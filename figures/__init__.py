"""The figures of mdplab: ``make figures``, or ``python -m figures``.

A script ``<topic>.py`` draws one figure that stands outside a single claim: it loads or computes its data and draws,
nothing else.  The figures of the claims are drawn by the claims themselves.  :mod:`figures.build` draws all of them, as
PDF, SVG and PNG, and :mod:`figures.page` lays them out on one page, ``index.html``.
"""
