"""The visible half of the app: the player that paints a run, and the theme around it."""

import inspect


def _file_of(thing, file_of=inspect.getfile):
    """The file in which a thing is defined; none for a component of Gradio's.

    Gradio writes type stubs for every component when its class is made, and parses the whole source
    file for each. That takes a second at each start of the page. Without a file Gradio skips it.
    """
    if type(thing).__name__ == "ComponentMeta":
        raise OSError("its file is not needed")
    return file_of(thing)


inspect.getfile = _file_of  # before Gradio is imported
