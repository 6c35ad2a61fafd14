"""Reconstructions and samples, as the images that the cells returned."""

from collections.abc import Mapping

from elbo_compare.reports.content import Block, Picture, Prose, Section, not_measured
from elbo_compare.reports.data import ReportData
from elbo_compare.reports.formats import clean, file_name
from elbo_compare.reports.images import grey_png

TITLE = "Reconstructions and samples"
SHOWN = 8


def build(data: ReportData) -> Section:
    """One picture per image, in the order of their names."""
    if not data.images:
        return not_measured("images", TITLE, "no training cell returned an image in this profile.")
    names = chosen(data.images)
    blocks: list[Block] = [
        Prose(
            text=(
                "At the fitted weights of each training cell's first seed. Reconstructions: held-out data above, "
                "decoded at the encoder's mean below. Samples: decoded draws of the prior. The weights are the named "
                "implementation's, the decoding is the NumPy oracle's. After a few hundred steps most models are far "
                "from trained: blurs are what they give, no fault of the drawing. One implementation of each model is "
                "shown: to the eye the others are the same."
            )
        )
    ]
    blocks += [_picture(name, data.images[name]) for name in names[:SHOWN]]
    rest = len(data.images) - min(len(names), SHOWN)
    if rest:
        blocks.append(Prose(text=f"{rest:,} further images, of the other implementations, are in images.parquet."))
    return Section(anchor="images", title=TITLE, blocks=tuple(blocks))


def chosen(images: Mapping[str, list[list[int]]]) -> list[str]:
    """One name for each model and kind of picture (what stands before the colon), the largest pictures first."""
    first: dict[str, str] = {}
    for name in sorted(images):
        first.setdefault(name.partition(":")[0], name)
    return sorted(first.values(), key=lambda name: (-len(images[name]), name))


def _picture(name: str, rows: list[list[int]]) -> Picture:
    height, width = len(rows), len(rows[0]) if rows else 0
    return Picture(
        name=f"image-{file_name(name)}",
        caption=clean(name),
        alt=f"Grid of {width} by {height} grey pixels: {clean(name)}",
        png=grey_png(rows),
        pixelated=True,
    )
