"""`python -m cxrtutor`: the command line, for what starts Python modules (`torchrun -m cxrtutor`)."""

from .cli import main

main()
