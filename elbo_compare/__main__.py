"""`python -m elbo_compare`."""

from elbo_compare.compare.cli import main

main()
