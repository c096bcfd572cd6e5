"""lab: to watch diffusion models and to measure them. It uses ``ddpm_core``, never the reverse.

``process``  races, there and back, inversion, the report's errors, what guidance did
``measure``  judges, FID and its companions, bits per dimension, neighbours, class accuracy
``report``   the report made again
``bench``    timings beside diffusers or another checkout
``publish``  cards with what was measured, checkpoints that ship, the Space

Importing ``lab`` makes the report's errors and the judges known to the core, by name.
"""

from .measure import judges as judges
from .process import report_errors as report_errors
