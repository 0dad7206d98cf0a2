"""`python -m healthbrain`."""

from healthbrain.cli import main

if __name__ == "__main__":  # worker processes of a pool import this file again
    main()
