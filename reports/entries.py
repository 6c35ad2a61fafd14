"""Pages of permanent IDs, all made the same way, as plain strings: there are hundreds of them."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from elbo_compare.reports.content import Entry
from elbo_compare.reports.formats import anchor, clean
from elbo_compare.reports.rendering import linked, prose

TITLES = {
    "claims": "Claims",
    "questions": "Questions",
    "semantics": "Semantics: what the libraries' objects do",
    "findings": "Findings about the libraries",
    "mutants": "Mutants: break it",
}
ABOUT = {
    "claims": "Statements about every implementation, each with its derivation, source, tolerance and outcomes.",
    "questions": "Claims on the neighbouring questions: other priors, closed forms, another family, a KL from samples.",
    "semantics": "Small models with a closed form, and what each library's ELBO objects give for them.",
    "findings": (
        "Where a library departs from its documentation or its peer. Reproduced: this version still shows it. Words "
        "to filter by: a library, a class, open or by design, what is harmed; `numpyro open`, `TraceMeanField_ELBO`."
    ),
    "mutants": (
        "Planted mistakes that the claims must catch, and legitimate variants that they must not. Break your own copy: "
        "`compare mutants MUT-002` plants one and names the claims that catch it; `compare mutants -o DIR` writes the "
        "whole matrix into a run's report."
    ),
}


def title(entry: Entry) -> str:
    """The page's title."""
    return f"{entry.id}: {clean(entry.title)}"


def main(entry: Entry, addresses: Mapping[str, str]) -> str:
    """The page's content, for a page one folder below the report's root."""
    outcome = entry.outcome or "not measured in this folder"
    parts = [
        f'<p class="kicker"><a href="../{entry.sort}.html">{escape(TITLES[entry.sort])}</a> · {escape(entry.head)}</p>',
        f"<h1>{escape(entry.id)}</h1>",
        f'<p class="statement">{_linked(entry.title, addresses)}</p>',
        f'<p>Outcome: <span class="outcome {css_of(outcome)}">{escape(outcome)}</span>'
        + (f" · {escape(clean(entry.place))}" if entry.place else "")
        + "</p>",
        *_programs(entry),
        "<dl>"
        + "".join(_field(name, text, addresses) for name, text in entry.fields if text not in ("", entry.title))
        + "</dl>",
    ]
    if entry.worst:
        parts.append(f"<h2>Worst case</h2><p>{_linked(entry.worst, addresses)}</p>")
    if entry.command:
        parts.append(f'<p class="label">Measure it again</p><pre tabindex="0">{escape(clean(entry.command))}</pre>')
    if entry.bibtex:
        parts.append(f'<h2>How to cite</h2><pre tabindex="0">{escape(clean(entry.bibtex))}</pre>')
    if entry.rows:
        parts += ["<h2>Outcomes</h2>", _tables(entry.rows, addresses, entry.id)]
    corrections = entry.corrections if entry.corrections not in ("", "none") else "None so far."
    parts.append(f"<h2>Corrections</h2><p>{_linked(corrections, addresses)}</p>")
    return "\n".join(parts)


def _programs(entry: Entry) -> list[str]:
    """What shows it, before what is said of it: whoever looks a finding up wants to run it."""
    return [f'<h2>{escape(label)}</h2><pre tabindex="0">{escape(clean(text))}</pre>' for label, text in entry.programs]


def index(sort: str, found: Sequence[Entry], after: str = "") -> str:
    """The list of one sort's IDs, to be filtered where the script runs, below all of them in a few lines."""
    rows = "\n".join(
        f'<tr><th scope="row" class="code"><a href="{entry.address}">{escape(entry.id)}</a></th>'
        f'<td class="text">{prose(clean(entry.title))}{_harm(entry)}</td><td class="short">{escape(entry.head)}</td>'
        f'<td class="outcome {css_of(entry.outcome)}">{escape(entry.outcome or "not measured")}</td></tr>'
        for entry in found
    )
    name = escape(TITLES[sort])
    return (
        f"<h1>{name}</h1>\n<p>{prose(ABOUT[sort])}</p>\n{_names(found)}"
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}"><table class="filtered cards">\n'
        '<thead><tr><th scope="col">ID</th><th scope="col">states</th><th scope="col">kind</th>'
        f'<th scope="col">outcome</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n{after}'
    )


def _names(found: Iterable[Entry]) -> str:
    """Every ID as its number, behind the name that it shares with others: a known one is found without scrolling."""
    groups: dict[str, list[str]] = {}
    for entry in sorted(found, key=lambda each: each.id):
        family, _, number = entry.id.rpartition("-")
        link = f'<a href="{entry.address}" aria-label="{escape(entry.id)}">{escape(number)}</a>'
        groups.setdefault(family, []).append(link)
    lines = "".join(
        f"<li><strong>{escape(family)}</strong> {' '.join(links)}</li>\n" for family, links in groups.items()
    )
    return f'<ul class="names">\n{lines}</ul>\n' if lines else ""


def _harm(entry: Entry) -> str:
    """What a finding costs, below its title."""
    harm = dict(entry.fields).get("Harm", "")
    return f"<br><small>{prose(clean(harm))}</small>" if harm else ""


def _field(name: str, text: str, addresses: Mapping[str, str]) -> str:
    return f"<dt>{escape(name)}</dt><dd>{_linked(text, addresses)}</dd>"


def _linked(text: str, addresses: Mapping[str, str]) -> str:
    """Text as HTML in which an ID that has a page is a link to it."""
    return str(linked(clean(text), addresses, "../"))


def _tables(rows: tuple[tuple[str, ...], ...], addresses: Mapping[str, str], name: str) -> str:
    """The outcomes; where a further head begins (another width), a further table."""
    groups: list[list[tuple[str, ...]]] = []
    for row in rows:
        if not groups or len(row) != len(groups[-1][0]):
            groups.append([])
        groups[-1].append(row)
    return "\n".join(
        _table(head, rest, addresses, f"{name}, {number}" if number > 1 else name)
        for number, (head, *rest) in enumerate(groups, 1)
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], addresses: Mapping[str, str], name: str) -> str:
    kept = [at for at in range(len(head)) if any(row[at] for row in rows)]  # of this ID: a sort has more columns
    head, rows = tuple(head[at] for at in kept), [tuple(row[at] for at in kept) for row in rows]
    top = "".join(f'<th scope="col">{escape(clean(each))}</th>' for each in head)
    body = "".join(
        "<tr>" + "".join(f"<td{_class(css_of(each))}>{_linked(each, addresses)}</td>" for each in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="Outcomes of {escape(name)}">'
        f'<table class="ids"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _class(css: str) -> str:
    """The attribute; most cells of these tables are short, and there are ten thousand of them."""
    return "" if css == "short" else f' class="{css}"'


def css_of(outcome: str) -> str:
    """A colour for the words of an outcome; a finding that is still there has none."""
    for word in ("differs", "inconclusive"):
        if word in outcome:
            return word
    good = ("agrees", "holds, as stated", "caught", "as registered", "recognised")
    return "agrees" if outcome.startswith(good) else "short" if len(outcome) < 18 else "text"


def old_page(addresses: Mapping[str, str], sections: Iterable[tuple[str, str]]) -> str:
    """The address that a report had when it was one page: every anchor stands there, and leads on."""
    places = [*sections, *((anchor(name), address) for name, address in addresses.items())]
    items = "\n".join(
        f'<li id="{escape(name)}"><a href="{escape(address)}">{escape(name)}</a></li>' for name, address in places
    )
    return (
        '<h1>This report has become several pages</h1>\n<p>It begins at <a href="index.html">the answer</a>. What was '
        "a place on this page is listed here under its old name; `compare report --single-file` still writes one "
        f"document.</p>\n<ul>\n{items}\n</ul>"
    ).replace("`compare report --single-file`", "<code>compare report --single-file</code>")
