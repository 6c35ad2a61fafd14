"""The report as Markdown: the same sections, pictures linked from figures/."""

from collections.abc import Iterable

from elbo_compare.reports.content import Block, ClaimCard, Code, FirstScreen, Picture, Prose, Section, Table
from elbo_compare.reports.formats import anchor, clean, file_name, markdown
from elbo_compare.reports.tables import forms, to_markdown


def to_markdown_page(first: FirstScreen, sections: Iterable[str]) -> str:
    """The whole report from its sections, as `section_to_markdown` wrote them; third-party text is escaped."""
    lines = [
        "# elbo-compare report",
        f"**{markdown(first.question)}**",
        markdown(first.sentence),
        "\n".join(f"- {markdown(reason)}" for reason in first.reasons),
        markdown(first.equation),
        "| number | value | interval, tolerance, n | what it is |\n|---|---:|---|---|\n" + _numbers(first),
        f"{markdown(first.tally)}: " + ", ".join(f"{markdown(word)} {many}" for word, many in first.outcomes),
    ]
    return "\n\n".join(line for line in (*lines, *sections) if line) + "\n"


def section_to_markdown(section: Section, once: bool = False) -> str:
    """One section under its heading, with its anchor. `once`: where the rows are that a frame beside the report has."""
    head = f'<a id="{anchor(section.anchor)}"></a>\n\n## {markdown(section.title)}'
    return "\n\n".join(line for line in (head, *(_block(block, once) for block in section.blocks)) if line)


def _numbers(first: FirstScreen) -> str:
    return "\n".join(_row(each.label, f"{each.value} {each.unit}", each.bounds, each.detail) for each in first.numbers)


def _row(*entries: str) -> str:
    return "| " + " | ".join(markdown(entry) for entry in entries) + " |"


def _block(block: Block, once: bool) -> str:
    if isinstance(block, Table):
        return _table(block, once)
    if isinstance(block, Picture):
        file = f"{file_name(block.name)}.{'svg' if block.svg else 'png'}"
        return f"![{markdown(block.alt)}](figures/{file})\n\n{markdown(block.caption)}"
    if isinstance(block, Code):
        return f"{markdown(block.label)}:\n\n{_indented(block.text)}"
    if isinstance(block, ClaimCard):
        return _claim(block)
    if isinstance(block, Prose):
        return f"**{markdown(block.lead)}** {markdown(block.text)}" if block.lead else markdown(block.text)
    raise TypeError(f"No Markdown for {type(block).__name__}.")


def _indented(text: str) -> str:
    """An indented code block: no fence that the text could close."""
    return "\n".join(f"    {line}" for line in clean(text).splitlines())


def _table(table: Table, once: bool) -> str:
    if table.frame.empty:
        return f"{markdown(table.caption)}\n\nNone."
    file = f"../{table.beside}.parquet" if once and table.beside else _file(table, once)
    if table.folded:  # not for reading through: the file holds it
        return f"{markdown(table.caption)} {len(table.frame):,} rows: {file}."
    shown = to_markdown(table)
    rest = len(table.frame) - table.limit
    more = f"\n\n{rest:,} further rows: {file}." if rest > 0 else ""
    return f"{markdown(table.caption)}\n\n{shown}{more}"


def _file(table: Table, once: bool) -> str:
    return f"tables/{file_name(table.name)}.{forms(table, once)[0]}"


def _claim(card: ClaimCard) -> str:
    fields = "\n".join(f"- {name}: {markdown(text)}" for name, text in card.fields)
    head = f'<a id="{anchor(card.id)}"></a>\n\n### {markdown(card.id)} ({markdown(card.strength)})'
    outcomes = (
        to_markdown(card.table) if len(card.table.frame) else "Outcome: not run (no cell of this run bears on it)."
    )
    return f"{head}\n\n{markdown(card.statement)}\n\n{fields}\n\n{outcomes}"
