"""A program that stands in main(args): its parser, model, loss and a guarded loop over a named stream."""

import argparse

import torch
import whole_models
from torch import nn
from torch.nn import functional
from whole_models import H, X, Z


class Sized(whole_models.VAE):
    loss_function = None

    def __init__(self, sizes):
        super().__init__()
        self.first, self.last = nn.Linear(sizes[0], H), nn.Linear(H, sizes[-1])


def main(args, dataset):
    def loss_of(out, x, mean, log_var):
        data = functional.binary_cross_entropy(out, x, reduction="sum")
        return data - 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()

    model = Sized(args.sizes)
    stream = enumerate(dataset, 1)
    for number, (x, _) in stream:
        left = len(dataset) - number
        try:
            if args.plain:
                out, _, mean, log_var, _ = model(x)
            loss = loss_of(out, x, mean, log_var)
            loss.backward()
        except RuntimeError:
            continue
        print(left, Z, torch)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[X, X])
    parser.add_argument("--plain", type=bool, default=True)
    args = parser.parse_args()
    main(args, [])
