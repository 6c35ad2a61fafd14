"""The questions, in the order in which a report shows them."""

from elbo_compare.suites.questions import density_ratio, generalised_normal, normaliser, questioned_code, univariate
from elbo_compare.suites.questions.question import Question, QuestionClaim

QUESTIONS: tuple[Question, ...] = tuple(
    module.QUESTION for module in (normaliser, univariate, generalised_normal, density_ratio, questioned_code)
)
BY_ID = {question.id: question for question in QUESTIONS}
CLAIMS: tuple[QuestionClaim, ...] = tuple(claim for question in QUESTIONS for claim in question.claims)
