"""`python -m thrifty`."""

from thrifty.cli import start

if __name__ == "__main__":
    start()
