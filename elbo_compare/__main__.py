"""`python -m elbo_compare`."""

try:
    from elbo_compare.compare.entry import main
except KeyboardInterrupt:  # before anything of ours is there to say so
    import os

    os.write(2, b"\nInterrupted (SIGINT). Nothing is left half done; give the same command again.\n")
    os._exit(130)

main()
