"""Wattline meters the energy of data centres, HPC clusters and clouds, and says who used the joules."""

__version__ = "0.1.0"
