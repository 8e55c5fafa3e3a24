"""`python -m rnnimp`: the same as the command `rnnimp`."""

from rnnimp.cli import run

if __name__ == "__main__":
    run()
