"""A model that trains itself on the parts of its loss, and a child of it that does so otherwise."""

from whole_apart import Halves


class Fitted(Halves):
    """It trains itself, with the mean of both parts."""

    def fit(self, loader):
        for x in loader:
            reconstruction, kl = self.loss_function(*self(x.double()))
            total = (reconstruction + 3 * kl) / len(x)
            total.backward()


class Child(Fitted):
    """Another weight, in a loop of its own."""

    def fit(self, loader):
        for x in loader:
            reconstruction, kl = self.loss_function(*self(x.double()))
            total = (reconstruction + 5 * kl) / len(x)
            total.backward()
