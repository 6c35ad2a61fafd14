"""The works that questions cite, beside those that claims on implementations do, as BibTeX; all that a text names."""

from elbo_compare.compare.citing.bibliography import Work, cited

WORKS = (
    Work(
        key="kullback1951information",
        named="Kullback and Leibler 1951",
        kind="article",
        fields=(
            ("author", "Kullback, Solomon and Leibler, Richard A."),
            ("title", "On Information and Sufficiency"),
            ("journal", "The Annals of Mathematical Statistics"),
            ("volume", "22"),
            ("number", "1"),
            ("pages", "79--86"),
            ("year", "1951"),
        ),
    ),
    Work(
        key="nadarajah2005generalized",
        named="Nadarajah 2005",
        kind="article",
        fields=(
            ("author", "Nadarajah, Saralees"),
            ("title", "A Generalized Normal Distribution"),
            ("journal", "Journal of Applied Statistics"),
            ("volume", "32"),
            ("number", "7"),
            ("pages", "685--694"),
            ("year", "2005"),
        ),
    ),
    Work(
        key="do2002wavelet",
        named="Do and Vetterli 2002",
        kind="article",
        fields=(
            ("author", "Do, Minh N. and Vetterli, Martin"),
            (
                "title",
                "Wavelet-Based Texture Retrieval Using Generalized {G}aussian Density and {K}ullback-{L}eibler "
                "Distance",
            ),
            ("journal", "IEEE Transactions on Image Processing"),
            ("volume", "11"),
            ("number", "2"),
            ("pages", "146--158"),
            ("year", "2002"),
        ),
    ),
    Work(
        key="nardon2009simulation",
        named="Nardon and Pianca 2009",
        kind="article",
        fields=(
            ("author", "Nardon, Martina and Pianca, Paolo"),
            ("title", "Simulation Techniques for Generalized {G}aussian Densities"),
            ("journal", "Journal of Statistical Computation and Simulation"),
            ("volume", "79"),
            ("number", "11"),
            ("pages", "1317--1329"),
            ("year", "2009"),
        ),
    ),
    Work(
        key="sugiyama2012density",
        named="Sugiyama, Suzuki and Kanamori 2012",
        kind="book",
        fields=(
            ("author", "Sugiyama, Masashi and Suzuki, Taiji and Kanamori, Takafumi"),
            ("title", "Density Ratio Estimation in Machine Learning"),
            ("publisher", "Cambridge University Press"),
            ("year", "2012"),
        ),
    ),
    Work(
        key="mohamed2016learning",
        named="Mohamed and Lakshminarayanan 2016",
        kind="misc",
        fields=(
            ("author", "Mohamed, Shakir and Lakshminarayanan, Balaji"),
            ("title", "Learning in Implicit Generative Models"),
            ("year", "2016"),
            ("eprint", "1610.03483"),
            ("archiveprefix", "arXiv"),
        ),
    ),
    Work(
        key="tiao2018density",
        named="Tiao 2018",
        kind="misc",
        fields=(
            ("author", "Tiao, Louis C."),
            ("title", "Density Ratio Estimation for {KL} Divergence Minimization between Implicit Distributions"),
            ("year", "2018"),
            ("note", "Blog post, 27 August 2018"),
        ),
    ),
    Work(
        key="tomczak2018vae",
        named="Tomczak and Welling 2018",
        kind="inproceedings",
        fields=(
            ("author", "Tomczak, Jakub M. and Welling, Max"),
            ("title", "{VAE} with a {VampPrior}"),
            ("booktitle", "International Conference on Artificial Intelligence and Statistics"),
            ("year", "2018"),
            ("eprint", "1705.07120"),
            ("archiveprefix", "arXiv"),
        ),
    ),
)


def works_of(text: str) -> tuple[Work, ...]:
    """The works that a text names, each once."""
    known = cited(text)
    keys = {work.key for work in known}
    return (*known, *(work for work in WORKS if work.named in text and work.key not in keys))
