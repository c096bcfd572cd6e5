"""Speed: beside diffusers or another checkout of this project, in turns."""
