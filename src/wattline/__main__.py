"""`python -m wattline` is `wattline`."""

from wattline.cli import main

main()
