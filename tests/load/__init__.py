"""Many visitors at once, with real clients: who gets what, and how soon.

    python -m tests.load [--visitors 32] [--seconds 60]

starts the page as ``python app.py`` does, and lets visitors loose on it: one in a browser who moves
the guidance slider, the others by the public API, of several kinds in turn (``visitors.KINDS``):
films of 1,000 steps and pictures, 1 to 16 at a time, of several models, some of them guided. What
each was sent first is then compared with what the core makes of the same request alone. With 80
visitors some are told that the page is full.

It ends with status 1, and a line that begins with FAILED for each reason, where somebody got a
wrong answer, or neither a result nor a clear "full", and where the slider's picture followed in a
second or more, or never.
"""
