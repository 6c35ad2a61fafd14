"""What the lines that `compare explain` prints say of each class, read back from the text."""

import re


def printed_losses(text: str) -> dict[str, tuple[list[float], float]]:
    """Class -> the terms that its lines below the sites state, and the loss that is said to be their sum."""
    losses = {name: float(loss) for name, loss in
              re.findall(r"^(\S+): loss (\S+) nats at seed 0, the sum of the terms", text, re.MULTILINE)}  # fmt: skip
    terms: dict[str, list[float]] = {name: [] for name in losses}
    for names, term in re.findall(r"^  (\S+(?:, \S+)*): [^\n]*, (\S+) nats$", text, re.MULTILINE):
        for name in names.split(", "):
            if name in terms:
                terms[name].append(float(term))
    return {name: (terms[name], loss) for name, loss in losses.items()}
