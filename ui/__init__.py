"""The visible half of the app: the player that paints a run, and the theme around it."""

import inspect


def _file_of(thing, file_of=inspect.getfile):
    """The file in which a thing is defined; of a component of Gradio's, none.

    Gradio writes type stubs for every component as soon as its class is made, and parses the whole
    source file for each: a second, each time that the page starts. Where there is no file it does
    not.
    """
    if type(thing).__name__ == "ComponentMeta":
        raise OSError("its file is not needed")
    return file_of(thing)


inspect.getfile = _file_of  # before Gradio is imported
