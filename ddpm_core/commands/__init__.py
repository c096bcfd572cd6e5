"""The commands of ``python -m ddpm_core``, one module each: ``add`` its options, ``run`` it."""
