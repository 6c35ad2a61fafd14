"""The works that claims cite, as BibTeX, found by the words with which a claim's source names them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Work:
    """`named`: what a source says when it means this work."""

    key: str
    named: str
    kind: str
    fields: tuple[tuple[str, str], ...]

    def bibtex(self) -> str:
        """One BibTeX entry."""
        width = max(len(name) for name, _ in self.fields)
        lines = [f"  {name:<{width}} = {{{value}}}," for name, value in self.fields]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _work(key: str, named: str, kind: str, **fields: str) -> Work:
    return Work(key=key, named=named, kind=kind, fields=tuple(fields.items()))


WORKS = (
    _work(
        "kingma2014autoencoding",
        "Kingma and Welling 2014",
        "inproceedings",
        author="Kingma, Diederik P. and Welling, Max",
        title="Auto-Encoding Variational {B}ayes",
        booktitle="International Conference on Learning Representations",
        year="2014",
        eprint="1312.6114",
        archiveprefix="arXiv",
    ),
    _work(
        "rezende2014stochastic",
        "Rezende, Mohamed and Wierstra 2014",
        "inproceedings",
        author="Rezende, Danilo Jimenez and Mohamed, Shakir and Wierstra, Daan",
        title="Stochastic Backpropagation and Approximate Inference in Deep Generative Models",
        booktitle="International Conference on Machine Learning",
        year="2014",
        eprint="1401.4082",
        archiveprefix="arXiv",
    ),
    _work(
        "kingma2015adam",
        "Kingma and Ba 2015",
        "inproceedings",
        author="Kingma, Diederik P. and Ba, Jimmy",
        title="Adam: A Method for Stochastic Optimization",
        booktitle="International Conference on Learning Representations",
        year="2015",
        eprint="1412.6980",
        archiveprefix="arXiv",
    ),
    _work(
        "burda2016importance",
        "Burda, Grosse and Salakhutdinov 2016",
        "inproceedings",
        author="Burda, Yuri and Grosse, Roger and Salakhutdinov, Ruslan",
        title="Importance Weighted Autoencoders",
        booktitle="International Conference on Learning Representations",
        year="2016",
        eprint="1509.00519",
        archiveprefix="arXiv",
    ),
    _work(
        "roeder2017sticking",
        "Roeder, Wu and Duvenaud 2017",
        "inproceedings",
        author="Roeder, Geoffrey and Wu, Yuhuai and Duvenaud, David",
        title="Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference",
        booktitle="Advances in Neural Information Processing Systems",
        year="2017",
        eprint="1703.09194",
        archiveprefix="arXiv",
    ),
    _work(
        "lucas2019dont",
        "Lucas, Tucker, Grosse and Norouzi 2019",
        "inproceedings",
        author="Lucas, James and Tucker, George and Grosse, Roger and Norouzi, Mohammad",
        title="Don't Blame the {ELBO}! A Linear {VAE} Perspective on Posterior Collapse",
        booktitle="Advances in Neural Information Processing Systems",
        year="2019",
        eprint="1911.02469",
        archiveprefix="arXiv",
    ),
    _work(
        "jordan1999introduction",
        "Jordan, Ghahramani, Jaakkola and Saul 1999",
        "article",
        author="Jordan, Michael I. and Ghahramani, Zoubin and Jaakkola, Tommi S. and Saul, Lawrence K.",
        title="An Introduction to Variational Methods for Graphical Models",
        journal="Machine Learning",
        volume="37",
        pages="183--233",
        year="1999",
    ),
    _work(
        "schuirmann1987comparison",
        "Schuirmann 1987",
        "article",
        author="Schuirmann, Donald J.",
        title="A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence "
        "of Average Bioavailability",
        journal="Journal of Pharmacokinetics and Biopharmaceutics",
        volume="15",
        number="6",
        pages="657--680",
        year="1987",
    ),
    _work(
        "arasaratnam2009cubature",
        "Arasaratnam and Haykin 2009",
        "article",
        author="Arasaratnam, Ienkaran and Haykin, Simon",
        title="Cubature {K}alman Filters",
        journal="IEEE Transactions on Automatic Control",
        volume="54",
        number="6",
        pages="1254--1269",
        year="2009",
    ),
    _work(
        "abramowitz1964handbook",
        "Abramowitz and Stegun 1964",
        "book",
        author="Abramowitz, Milton and Stegun, Irene A.",
        title="Handbook of Mathematical Functions",
        publisher="National Bureau of Standards",
        year="1964",
    ),
    _work(
        "johnson1994continuous",
        "Johnson, Kotz and Balakrishnan 1994",
        "book",
        author="Johnson, Norman L. and Kotz, Samuel and Balakrishnan, N.",
        title="Continuous Univariate Distributions, Volume 1",
        edition="Second",
        publisher="Wiley",
        year="1994",
    ),
    _work(
        "higham2002accuracy",
        "Higham 2002",
        "book",
        author="Higham, Nicholas J.",
        title="Accuracy and Stability of Numerical Algorithms",
        edition="Second",
        publisher="SIAM",
        year="2002",
    ),
    _work(
        "ieee2019",
        "IEEE 754-2019",
        "misc",
        author="{IEEE}",
        title="{IEEE} Standard for Floating-Point Arithmetic, {IEEE} Std 754-2019",
        year="2019",
    ),
    _work(
        "whitehead2011precision",
        "IEEE 754 Compliance for NVIDIA GPUs",
        "techreport",
        author="Whitehead, Nathan and Fit-Florea, Alex",
        title="Precision and Performance: Floating Point and {IEEE} 754 Compliance for {NVIDIA} {GPUs}",
        institution="NVIDIA",
        year="2011",
    ),
    _work(
        "tomczak2016householder",
        "Tomczak and Welling 2016",
        "misc",
        author="Tomczak, Jakub M. and Welling, Max",
        title="Improving Variational Auto-Encoders using {H}ouseholder Flow",
        year="2016",
        eprint="1611.09630",
        archiveprefix="arXiv",
    ),
    _work(
        "tomczak2017convex",
        "Tomczak and Welling 2017",
        "misc",
        author="Tomczak, Jakub M. and Welling, Max",
        title="Improving Variational Auto-Encoders using Convex Combination Linear Inverse Autoregressive Flow",
        year="2017",
        eprint="1706.02326",
        archiveprefix="arXiv",
    ),
    _work(
        "li2016renyi",
        "Li and Turner 2016",
        "inproceedings",
        author="Li, Yingzhen and Turner, Richard E.",
        title="{R}{\\'e}nyi Divergence Variational Inference",
        booktitle="Advances in Neural Information Processing Systems",
        year="2016",
        eprint="1602.02311",
        archiveprefix="arXiv",
    ),
    _work(
        "tucker2019doubly",
        "Tucker et al. 2019",
        "inproceedings",
        author="Tucker, George and Lawson, Dieterich and Gu, Shixiang and Maddison, Chris J.",
        title="Doubly Reparameterized Gradient Estimators for {M}onte {C}arlo Objectives",
        booktitle="International Conference on Learning Representations",
        year="2019",
        eprint="1810.04152",
        archiveprefix="arXiv",
    ),
    _work(
        "schulman2015gradient",
        "Schulman et al. 2015",
        "inproceedings",
        author="Schulman, John and Heess, Nicolas and Weber, Theophane and Abbeel, Pieter",
        title="Gradient Estimation Using Stochastic Computation Graphs",
        booktitle="Advances in Neural Information Processing Systems",
        year="2015",
        eprint="1506.05254",
        archiveprefix="arXiv",
    ),
    _work(
        "schulman2020approximating",
        "Schulman 2020",
        "misc",
        author="Schulman, John",
        title="Approximating {KL} Divergence",
        howpublished="http://joschu.net/blog/kl-approx.html",
        year="2020",
    ),
    _work(
        "hardy1952inequalities",
        "Hardy, Littlewood and Pólya 1952",
        "book",
        author="Hardy, G. H. and Littlewood, J. E. and P{\\'o}lya, G.",
        title="Inequalities",
        edition="2nd",
        publisher="Cambridge University Press",
        year="1952",
    ),
    _work(
        "owen1995randomly",
        "Owen 1995",
        "incollection",
        author="Owen, Art B.",
        title="Randomly Permuted (t, m, s)-Nets and (t, s)-Sequences",
        booktitle="{M}onte {C}arlo and Quasi-{M}onte {C}arlo Methods in Scientific Computing",
        publisher="Springer",
        year="1995",
    ),
    _work(
        "owen2013monte",
        "Owen 2013",
        "book",
        author="Owen, Art B.",
        title="{M}onte {C}arlo Theory, Methods and Examples",
        publisher="https://artowen.su.domains/mc/",
        year="2013",
    ),
    _work(
        "squire1998using",
        "Squire and Trapp 1998",
        "article",
        author="Squire, William and Trapp, George",
        title="Using Complex Variables to Estimate Derivatives of Real Functions",
        journal="SIAM Review",
        volume="40",
        number="1",
        pages="110--112",
        year="1998",
    ),
)
PYRO = _work(
    "bingham2019pyro",
    "Pyro",
    "article",
    author="Bingham, Eli and Chen, Jonathan P. and Jankowiak, Martin and Obermeyer, Fritz and Pradhan, Neeraj and "
    "Karaletsos, Theofanis and Singh, Rohit and Szerlip, Paul and Horsfall, Paul and Goodman, Noah D.",
    title="Pyro: Deep Universal Probabilistic Programming",
    journal="Journal of Machine Learning Research",
    volume="20",
    number="28",
    pages="1--6",
    year="2019",
)
NUMPYRO = _work(
    "phan2019composable",
    "NumPyro",
    "misc",
    author="Phan, Du and Pradhan, Neeraj and Jankowiak, Martin",
    title="Composable Effects for Flexible and Accelerated Probabilistic Programming in {NumPyro}",
    year="2019",
    eprint="1912.11554",
    archiveprefix="arXiv",
)


def cited(text: str) -> tuple[Work, ...]:
    """The works that a text names, in the order of `WORKS`, then Pyro's and NumPyro's own where their code is named."""
    works = [work for work in WORKS if work.named in text]
    if re.search(r"\bpyro\.infer\b|\bPyro\b|\blibraries' public ELBO classes\b", text):
        works.append(PYRO)
    if re.search(r"\bnumpyro\.infer\b|\bNumPyro\b|\blibraries' public ELBO classes\b", text):
        works.append(NUMPYRO)
    return tuple(works)
