"""`python -m poptrain` is the command line."""

from poptrain.cli import main

if __name__ == "__main__":
    main()
