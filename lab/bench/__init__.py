"""Speed: beside diffusers or another checkout of this project, in turns.

``cases.py``           what is timed; also the process that times it in another checkout
``with_diffusers.py``  the same by diffusers, at matched parameters and operations
``compare.py``         turns in rounds, their ratio; another checkout as a side
"""
