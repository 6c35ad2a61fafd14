"""The verbs of the command line, each an ordinary function: `cli` only reads arguments and prints."""
