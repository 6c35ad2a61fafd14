"""Functions that can't be judged. Nothing here is imported but NumPy, so that a check of one is quick."""

import os
import sys
import time

import numpy as np


def raises(mean, log_var):
    raise ValueError("no such thing\nsecond line")


def hangs(mean, log_var):
    print("still here")
    time.sleep(60)


def exits(mean, log_var):
    sys.exit("goodbye")


def exits_at_once(mean, log_var):
    os._exit(7)


def aborts(mean, log_var):
    os.abort()


def gives_nan(mean, log_var):
    return np.log(-np.abs(mean)).sum(1) * log_var.sum(1)


def wrong_shape(mean, log_var):
    return np.zeros((2, 9))


def nothing(mean, log_var):
    print("forgot to return")


def unknown_names(h, w):
    return h + w


def right(mean, log_var):
    print("noise on stdout {")
    return 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)


NOT_A_FUNCTION = 3
