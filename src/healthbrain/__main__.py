"""`python -m healthbrain`."""

from healthbrain.cli import main

main()
