"""A report as a folder of static pages: four doors, one page for each ID, evidence. No network; one small script."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from elbo_compare.reports import entries as pages_of_ids
from elbo_compare.reports.content import Entry, FirstScreen
from elbo_compare.reports.data import ReportData
from elbo_compare.reports.front import about_something_else, facts, lines, strip
from elbo_compare.reports.rendering import Rendered, prose, template
from elbo_compare.reports.sections.summary import COUNTED, SAME_NOISE, counted

PAGES = (
    ("why", "why.html"),
    ("choose", "choose.html"),
    ("check", "check.html"),
    ("findings", "findings.html"),
    ("claims", "claims.html"),
    ("questions", "questions.html"),
    ("semantics", "semantics.html"),
    ("mutants", "mutants.html"),
    ("evidence", "evidence.html"),
    ("bench", "bench.html"),
    ("environment", "environment.html"),
)
DOORS = (
    ("Why?", "why.html", "The derivation, constant by constant; negative values; when the constant does harm."),
    ("Which estimator?", "choose.html", "Sampled or analytic KL, by situation, with this run's numbers."),
    ("Is my code right?", "check.html", "One command judges your own KL, loss or VAE class."),
    ("Break it.", "mutants.html", "Planted mistakes, and the claims that catch each."),
)
GLOSSARY = (
    ("problem", "a model with data and weights, framework-free; vae@trained: the problem vae at its trained weights"),
    ("cell", "problem × implementation × estimator × data set × dtype × device × seed: what is run and measured once"),
    ("datum", "one data point, such as one image; numbers are nats per datum, with the sign of the ELBO"),
    ("numpy-oracle", "this project's float64 implementation in NumPy, that pointwise differences are measured from"),
    ("implementation", "one way to write the problem: by hand in torch or JAX, Pyro, NumPyro, the oracle"),
    ("estimator", "what is estimated: sampled-kl (Trace_ELBO), analytic-kl (TraceMeanField_ELBO), iwae-5, …"),
    ("stl", "sticking the landing: the sampled KL whose gradient leaves out the score term"),
    ("dreg", "the doubly reparameterised gradient of the bound IWAE-K"),
    ("head", "one of the encoder's two outputs, mean or log-variance"),
    ("rounding", "unit roundoff × the sum of absolute terms; a pointwise claim allows 16"),
    ("claim", "a statement with a permanent ID, a source and a tolerance with its reason"),
    ("verdict", "a claim judged on a cell: agrees, differs, inconclusive, not run"),
    ("finding", "where a library departs from its documentation or its peer; reproduced or no longer seen"),
)
# What stands for a word without being it: a case's or a cell's label, an estimator's name.
_STANDS_FOR = {"problem": r"\w@\w", "cell": r"\w@\w[\w-]*/\w", "estimator": r"\b(?:sampled-kl|analytic-kl|iwae-\d+)\b"}
_WORDS = {word: re.compile(rf"\b{word}s?\b|{_STANDS_FOR.get(word, word)}") for word, _ in GLOSSARY}
_TAGS = re.compile(r"<[^>]+>")
FOOTER = "Numbers are nats per datum with ELBO sign (larger is better) unless a unit says otherwise."
ON_EVERY_PAGE = ("why", "choose", "check", "findings", "claims", "evidence")  # hundreds of pages of IDs have no more
ELSEWHERE = {"bench.html": ("runtime",), "why.html": ("why",), "choose.html": ("choose",)}
ENVIRONMENT = ("environment", "reproduce", "cite", "corrections", "incomplete")
CHECK = """\
<h1>Is my code right?</h1>
<p>Name a function, a method, a module or a class as it stands; it may be written with torch, JAX or NumPy:</p>
<pre tabindex="0">compare check my_vae.py:kl
compare check my_vae.py:VAE</pre>
<p>RIGHT: what would be minimised is the negative ELBO, in values, gradients, extremes and float32. BY DESIGN: it is
another objective with a name, such as beta-VAE, and which weight it gives to what. WRONG: with the cause, where one
equals your function at every probe, and what to change.</p>
<pre tabindex="0">compare explain my_model:model my_model:guide</pre>
<p>Your own Pyro or NumPyro pair, site by site: what <code>TraceMeanField_ELBO</code> will do. In a test of yours:</p>
<pre tabindex="0">from elbo_compare import assert_elbo_claims

assert_elbo_claims(loss_function)</pre>
<p>What it can catch is measured: <a href="mutants.html">every planted mistake</a> and the claims that catch it.</p>"""


class PageWriter:
    """Writes pages into one folder, all in one frame; `above`: the page over several reports, of which this is one."""

    def __init__(self, folder: Path, addresses: Mapping[str, str], above: str = "") -> None:
        self.folder, self.addresses = folder, addresses
        values = {"pages": PAGES, "glossary": GLOSSARY, "footer": FOOTER, "above": above, "short": ON_EVERY_PAGE}
        self.frames = {root: template("page.html.j2").render(root=root, **values) for root in ("", "../")}

    def page(self, file: str, title: str, content: str) -> Path:
        """One page; its frame is a string that was rendered once."""
        path = self.folder / file
        frame = self.frames["../" if "/" in file else ""]
        before, rest = frame.split("@@TITLE@@")
        middle, after = rest.split("@@MAIN@@")
        after = after.replace("@@WORDS@@", words_on(content))
        path.write_text(f"{before}{escape(title)}{middle}{content}{after}", encoding="utf-8")
        return path

    def write_ids(self, entries: Sequence[Entry]) -> None:
        """A page for each ID, and a list of each sort."""
        for sort in pages_of_ids.TITLES:
            (self.folder / sort).mkdir(exist_ok=True)
            mine = [entry for entry in entries if entry.sort == sort]
            self.page(f"{sort}.html", pages_of_ids.TITLES[sort], pages_of_ids.index(sort, mine))
            for entry in mine:
                self.page(entry.address, pages_of_ids.title(entry), pages_of_ids.main(entry, self.addresses))

    def write_rest(self, data: ReportData, first: FirstScreen, sections: Sequence[Rendered]) -> Path:
        """Index, why, choose, check, evidence, bench, environment, the old address, style and script."""
        named = {section.anchor: section for section in sections}
        for file in ("report.css", "filter.js"):
            text = (files("elbo_compare.reports") / "templates" / file).read_text("utf-8")
            (self.folder / file.replace("report.css", "style.css")).write_text(text, encoding="utf-8")
        for file, anchors in ELSEWHERE.items():
            self.page(file, named[anchors[0]].title, _headed("\n".join(named[each].html for each in anchors)))
        self.page("check.html", "Is my code right?", CHECK)
        first_part, *parts_after = (named[each].html for each in ENVIRONMENT)
        top = _headed(first_part).replace("</h1>", f"</h1>\n<p>{escape(facts(data))}</p>", 1)
        self.page("environment.html", "Environment", "\n".join([top, *parts_after]))
        elsewhere = {*ENVIRONMENT, "answer-figure", *(each for some in ELSEWHERE.values() for each in some)}
        parts = [section for section in sections if section.anchor not in elsewhere]
        self.page("evidence.html", "Evidence", _folded(parts))
        old = [(each.anchor, f"{self._of(each.anchor)}#{each.anchor}") for each in sections]
        self.page("report.html", "This report has become several pages", pages_of_ids.old_page(self.addresses, old))
        return self.page("index.html", f"elbo-compare: {first.question}", self._index(data, first, named))

    def _of(self, anchor: str) -> str:
        if anchor == "answer-figure":
            return "index.html"
        for file, anchors in ELSEWHERE.items():
            if anchor in anchors:
                return file
        return "environment.html" if anchor in ENVIRONMENT else "evidence.html"

    def _index(self, data: ReportData, first: FirstScreen, named: Mapping[str, Rendered]) -> str:
        return template("index.html.j2").render(
            first=first,
            facts=facts(data),
            lines=lines(data),
            counted=counted(data.judged(*SAME_NOISE, columns=COUNTED)),
            strip=strip(data),
            doors=DOORS,
            figure="" if about_something_else(data) else named["answer-figure"].html,
            about_the_line=not about_something_else(data),
            addresses=self.addresses,
        )


def words_on(content: str) -> str:
    """The glossary of one page of hundreds: the words that stand on it."""
    text = _TAGS.sub(" ", content)
    used = [(word, meaning) for word, meaning in GLOSSARY if _WORDS[word].search(text)]
    if not used:
        return ""
    items = "".join(f"<dt>{word}</dt><dd>{meaning}</dd>" for word, meaning in used)
    return f'<details class="glossary"><summary>Words on this page</summary><dl>{items}</dl></details>'


def _headed(html: str) -> str:
    """A section that is a page of its own: its title is the page's first heading."""
    return html.replace("<h2>", "<h1>", 1).replace("</h2>", "</h1>", 1)


def _folded(sections: Iterable[Rendered]) -> str:
    """Every section behind its title, with an index of them at the top."""
    sections = list(sections)
    index = "\n".join(f'<li><a href="#{each.anchor}">{prose(each.title)}</a></li>' for each in sections)
    parts = "\n".join(
        f'<details class="part"><summary>{prose(each.title)}</summary>\n{each.html}\n</details>' for each in sections
    )
    return (
        "<h1>Evidence</h1>\n<p>Every table and figure of this run, folded. Each table's files hold it whole, in full "
        f"precision.</p>\n<ul>\n{index}\n</ul>\n{parts}"
    )


def plain_entries(data: ReportData) -> list[Entry]:
    """The claims alone, where nobody handed over what else has an ID."""
    names = (("Formula", "statement"), ("Derivation", "derivation"), ("Source", "source"), ("Tolerance", "tolerance"))
    return [
        Entry(
            id=row["id"],
            sort="claims",
            head=f"{row['family']}, {row['strength']}",
            title=row["statement"],
            fields=tuple((name, row[column]) for name, column in (*names, ("Why", "reason"))),
        )
        for row in data.claims.to_dict("records")
    ]
