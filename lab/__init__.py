"""lab: to watch diffusion models and to measure them. It uses ``ddpm_core``, never the reverse.

Importing ``lab`` makes the report's errors and the judges known to the core, by name.
"""

from .measure import judges as judges
from .process import report_errors as report_errors
