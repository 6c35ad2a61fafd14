"""`python -m elbo_compare`."""

from elbo_compare.compare.entry import main

main()
