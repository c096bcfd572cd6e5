"""How fast and how large: against two other libraries, against the machine, and over size.

Whatever is compared is compared in one process and one run, by rounds in which each of the five to
seven that a table has takes one turn; absolute times drift by a tenth from run to run, of which a
ratio of two turns of one round sees little. A user of the core, not part of it.

=================  ===========================================================================
``timing.py``      interleaved turns, ratios within their rounds with their spread
``machine.py``     threads, load, the rate of a matrix product before and after
``shapes.py``      the shipped shapes; parameters and operations counted, layouts observed
``ours.py``        our sampling and training, as the application and the trainer do it
``with_*.py``      the same of another library, at matched parameters and operations
``identical.py``   a published shape on the very same weights
``endtoend.py``    what a visitor waits for
``growth.py``      time and memory over n, steps and image size
``sections.py``    what is measured, and the goals; a ``Table`` for each
``table.py``       as text and as JSON
=================  ===========================================================================
"""
