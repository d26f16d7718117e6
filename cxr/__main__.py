"""`python -m cxr` is the command `cxr`."""

from cxr.cli import app

if __name__ == "__main__":
    app()
