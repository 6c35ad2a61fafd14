"""Functions that draw inside: noticed by calling twice, and judged in expectation."""


def draws(experiment):
    return False


def judge(experiment, likelihood):
    return []
