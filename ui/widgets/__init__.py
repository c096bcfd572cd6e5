"""The page's own components: for each a folder with its Python, its module, its style."""
