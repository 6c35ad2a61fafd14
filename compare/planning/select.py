"""`-k EXPR`: a boolean expression over substrings of a cell's label, as in pytest (`vae and not float32`)."""

import re
from collections.abc import Callable

from elbo_compare.compare.errors import UsageError

Predicate = Callable[[str], bool]
DEEPEST = 50  # parentheses within parentheses; the parser and the predicates call themselves once for each


def selector(expression: str) -> Predicate:
    """A predicate on labels. Grammar: or < and < not < (parentheses) or a word, which matches as a substring.

    Raises UsageError where the expression is not one.
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    if not tokens:
        raise UsageError("-k got an empty expression; give a part of a cell's label, such as 'vae and not float32'.")
    parser = _Parser(expression, tokens)
    predicate = parser.alternatives()
    if parser.tokens:
        raise parser.error(f"{parser.tokens[0]!r} was not expected; join words with 'and' or 'or'")
    return predicate


class _Parser:
    """Recursive descent over the token list, which is consumed from the front."""

    def __init__(self, expression: str, tokens: list[str]) -> None:
        self.expression = expression
        self.tokens = tokens
        self.depth = 0

    def error(self, what: str) -> UsageError:
        shown = self.expression if len(self.expression) <= 200 else f"{self.expression[:200]}…"
        return UsageError(f"-k {shown!r} is not an expression: {what}.")

    def alternatives(self) -> Predicate:
        terms = [self.conjunction()]
        while self.tokens and self.tokens[0] == "or":
            self.tokens.pop(0)
            terms.append(self.conjunction())
        return lambda label: any(term(label) for term in terms)

    def conjunction(self) -> Predicate:
        terms = [self.negation()]
        while self.tokens and self.tokens[0] == "and":
            self.tokens.pop(0)
            terms.append(self.negation())
        return lambda label: all(term(label) for term in terms)

    def negation(self) -> Predicate:
        negated = False
        while self.tokens and self.tokens[0] == "not":
            self.tokens.pop(0)
            negated = not negated
        term = self.word()
        return (lambda label: not term(label)) if negated else term

    def word(self) -> Predicate:
        if not self.tokens:
            raise self.error("it ends too early")
        token = self.tokens.pop(0)
        if token == "(":
            self.depth += 1
            if self.depth > DEEPEST:
                raise self.error(f"more than {DEEPEST} parentheses are open")
            inner = self.alternatives()
            self.depth -= 1
            if not self.tokens or self.tokens.pop(0) != ")":
                raise self.error("a ')' is missing")
            return inner
        if token in (")", "and", "or"):
            raise self.error(f"{token!r} stands where a word should")
        return lambda label: token.lower() in label.lower()
