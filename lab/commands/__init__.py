"""The commands of ``python -m lab``, one module each: ``add`` its options, ``run`` it."""
