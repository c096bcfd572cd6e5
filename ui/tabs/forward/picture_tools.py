"""Tools under the Forward stage: the picture is brought back, inverted, turned into another,
recognised and filled in."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator

import gradio as gr
import numpy as np

from ddpm_core import InvalidInput, Model, Request
from lab.process import into_another
from lab.process.filling import PROPOSALS, STEPS, STRETCH, fill_request
from lab.process.forward import (
    Inversion,
    inversion_plan,
    inverting,
    return_request,
    return_times,
    return_work,
    returns,
)
from lab.process.recognise import Thought, asked_classes, round_times, thoughts

from ...events import LATEST, arm
from ...runs import forward_runs, player_values
from ...runs.forward_runs import FillKey
from ...runs.limits import most_work
from ...runs.runs import Studio
from ...runs.ticket import Ticket
from ...sharing import files, forward_links, share_panel
from ...widgets.download import download
from ...widgets.image_grid import image_grid
from ...widgets.opinion import opinion
from ...widgets.player import player
from ...widgets.sketch import sketch
from .. import recordings
from ..tool import Tool

LATEX = [{"left": "$", "right": "$", "display": False}]
FIRST = 3  # digit of the test set that the tab opens with; the recordings were made of it
OTHER = 7  # digit that turns into the picture on the sheet until a visitor keeps another
NOTHING_KEPT = (
    "First press “Start from this picture”. Then draw or open a second picture of the same size."
)
RECORDED = "mnist-conditional"
LEAST_STEPS = 5  # from each time, for a model that is too large for more
PAUSE = 1 / 8  # seconds between two updates
SHOWN = into_another.IMAGES // 2 + 1  # every second image between two pictures


class PictureTool(Tool):
    """A tool that makes something of the picture on the sheet.

    Attributes:
        made_of: the mark of what its result was made of, see ``mark``.
        python: shows code that makes it without the page.
    """

    python: gr.Code | None = None

    title: str
    idle: str
    label: str
    words: str  # on the button
    names: tuple[str, str, str]  # of its result, its button and Stop, in element ids

    def __init__(self, studio: Studio, prefix: str):
        super().__init__(studio)
        shown, go, stop = (f"{prefix}-{name}" for name in self.names)
        recorded = recordings.load(self.place)
        words = recorded.pop("words") if recorded else ""
        with gr.Tab(self.title, id=self.place):
            self.shows = self.screen(recorded or self.empty(self.idle), elem_id=shown)
            self.options(prefix)
            with gr.Row(elem_classes="actions"):
                self.buttons(self.words, go, stop, size="sm")
            self.note = gr.Markdown(words, elem_classes="caption news", latex_delimiters=LATEX)
            made_of = self.mark(sketch.digit(FIRST), RECORDED, 0) if recorded else ""
            self.lay_take(prefix)
            # Within the tab: Gradio takes anything between two tabs for one more tab.
            self.made_of = gr.State(made_of)

    def options(self, prefix: str) -> None:
        """Lay out further choices."""

    def lay_take(self, prefix: str) -> None:
        """Lay out the download of its result, if it has one."""

    def wire(self, inputs, python, *outputs):
        self.python = python
        super().wire(inputs, self.made_of, python, *outputs)

    @abstractmethod
    def screen(self, value: dict, **props) -> gr.components.Component:
        """The component of its result."""

    def mark(self, picture: np.ndarray, model: str, seed) -> str:
        """A text that is equal for results of the same picture, model and seed."""
        about = f"{picture.shape}{model} {seed}".encode()
        return hashlib.blake2b(about + picture.tobytes()).hexdigest()


class StepwiseTool(PictureTool):
    """A tool whose result is made and shown step by step."""

    @abstractmethod
    def value(self, made, live: bool = False, **about) -> dict:
        """The component's value for the result so far."""

    def compute(self, ticket: Ticket, picture, model, seed, label, *more) -> Iterator[dict]:
        if picture is None:
            raise InvalidInput("Draw something first.")
        parts = self.begin(self.studio.model(model), picture, seed, label, *more)
        work, result, about = next(parts)
        yield {self.made_of: self.mark(picture, model, seed), self.note: ""}
        done, words = 0, ""

        def steps():
            nonlocal done, words
            for done, words in parts:
                yield

        for _ in self.studio.paced(ticket, steps(), PAUSE):
            value = self.value(result, live=True, **about)
            yield {self.shows: value, self.note: f"{done} of {work} steps"}
        if not ticket.superseded:
            note = words or f"Stopped after {done} of {work} steps."
            yield {self.shows: self.value(result, **about), self.note: note}

    @abstractmethod
    def begin(self, model: Model, picture: np.ndarray, seed, label, *more) -> Iterator[tuple]:
        """Yield first the number of steps, the result, and further arguments of ``value``. Each
        step changes the result; after it, yield the number of steps done, and words about the
        result, empty while steps are to come."""


class TileTool(StepwiseTool):
    """A tool whose result is tiles, (n, H, W, C).

    Attributes:
        looks: the numbers of rows and columns to come.
    """

    looks: dict[str, int]
    symbol = ""

    def screen(self, value, **props):
        options = {"symbol": self.symbol, "glance": False, "clickable": False}
        return image_grid.ImageGrid(value, label=self.label, options=options, **props)

    def empty(self, message: str) -> dict:
        return image_grid.idle(message, **self.looks)

    def value(self, made, live=False, **about):
        return image_grid.contact(made, live=live, **about)


class ThereAndBack(TileTool):
    """The picture noised to each of ten times, and what the model makes of it from there."""

    place, names, symbol = "back", ("back", "go", "back-stop"), "t"
    title = words = "There and back"
    idle = "Noised up to t, and denoised by the model from there: what survives."
    label = "Noised up to t, and denoised from there"
    looks = {"rows": 2, "columns": 10}

    def begin(self, model, picture, seed, label):
        times = return_times(model.schedule)
        steps = _affordable(model, times)
        request = return_request(model, label, seed, steps).for_model(model)
        sheet = np.full((2, len(times), *picture.shape), 128, np.uint8)
        about = {"columns": len(times), "column_labels": times, "symbol": "t"}
        work = return_work(times, steps)
        yield work, sheet.reshape(-1, *picture.shape), about | {"row_labels": ("noised", "back")}
        as_class = "" if label == "none" else f", told the class {model.classes[int(label)]}"
        for done, moment in enumerate(returns(model, picture, times, request), 1):
            sheet[:, times.index(moment.time)] = moment.noised, moment.state
            words = f"{steps} steps of DDIM with η = 1 from every t{as_class}."
            yield done, words if done == work else ""


class Inverted(TileTool):
    """The picture led to its own noise and back."""

    place, names = "inversion", ("inverted", "invert", "invert-stop")
    title, words = "Inversion", "Invert"
    idle = "DDIM run backwards: the noise that leads to this very picture."
    label = "Inverted and reconstructed"
    looks = {"columns": 4}

    def mark(self, picture, model, seed):
        return super().mark(picture, model, "any")

    def begin(self, model, picture, seed, label):
        steps, _ = inversion_plan(model.schedule)
        _check_work(model, 2 * steps)
        words = ("the picture", "its noise", "brought back", "error × 4")
        tiles = np.stack([picture, *3 * [np.full_like(picture, 128)]])
        yield 2 * steps, tiles, {"columns": 4, "column_labels": words, "symbol": ""}
        for done, state in enumerate(inverting(model, picture, label), 1):
            if isinstance(state, Inversion):
                tiles[:] = state.pictures
                yield 2 * steps, _account(state)
            else:
                tiles[1 if done <= steps else 2] = state
                yield done, ""


class IntoAnother(TileTool):
    """Turns a picture that was kept before into the one on the sheet.

    Attributes:
        first: the picture that was kept and its class; None: a digit.
        made: all images, the model, and both ends with their classes, for the files.
    """

    place, names = "into", ("into", "turn", "into-stop")
    title, words = "Into another", "Turn into this"
    idle = (
        "From a picture that you keep to the one on the sheet, through what lies between their "
        f"noises. Until you keep one, it begins with a {OTHER}."
    )
    label = "From the picture kept to the one on the sheet"
    looks = {"columns": SHOWN}

    def buttons(self, words, go, stop, **look):
        self.keep = gr.Button("Start from this picture", elem_id=f"{go}-from", **look)
        super().buttons(words, go, stop, **look)

    def lay_take(self, prefix):
        self.take = download.Download(f"{prefix}-into", place=prefix, of_tool=True)
        self.first, self.made = gr.State(None), gr.State(None)
        download.wire(self.take, self.written, [self.made])

    def mark(self, picture, model, seed):
        return super().mark(picture, model, "any")

    def wire(self, inputs, python):
        super().wire([*inputs, self.first], python, self.made)
        self.keep.click(self.kept, inputs, self.settable, **LATEST)

    def kept(self, picture, model, seed, label, visitor: gr.Request) -> dict:
        """Keep the picture on the sheet, and show that it is kept."""
        order = arm(self.studio, visitor, self.place).order
        if picture is None:
            return {self.note: "Draw something first."}
        return self.starting(picture, label, order=order)

    def starting(self, picture: np.ndarray, label: str, **order: int) -> dict:
        """Updates that show what is kept."""
        tiles = np.stack([picture, *[np.full_like(picture, 128)] * (SHOWN - 1)])
        return {
            self.first: (picture, label),
            self.shows: image_grid.contact(tiles, **_layout()) | order,
            self.note: "Kept. It turns into what is on the sheet: now draw or open another.",
            self.take: download.idle(**order),
            self.made_of: "",
        }

    @property
    def settable(self) -> list:
        """The components that ``starting`` updates."""
        return [self.first, *self.parts, self.made_of]

    def compute(self, ticket, picture, model, seed, label, first=None):
        remark = ""
        if first is None and picture is not None and picture.shape == (28, 28, 1):
            remark = f"No picture was kept: a {OTHER} of ours stands first. "
            classes = self.studio.model(model).classes
            is_known = label != "none" and [*classes[OTHER : OTHER + 1]] == [str(OTHER)]
            first = sketch.digit(OTHER), str(OTHER) if is_known else label
        if picture is None or first is None or first[0].shape != picture.shape:
            raise InvalidInput(NOTHING_KEPT)
        if not self.studio.model(model).classes:
            first = first[0], "none"  # kept for another model
        ends, result = (first, (picture, label)), []
        link = forward_links.query(model, picture, seed, label, first=first)
        python = forward_links.python_to_turn(model, ends)
        yield {self.take: download.pending(ticket.order, link), self.python: python}
        yield from super().compute(ticket, picture, model, seed, label, ends, result, link, remark)
        if not ticket.superseded:
            offer = download.due if result else download.idle
            yield {self.made: (*result, model, ends), self.take: offer(ticket.order, link=link)}

    def begin(self, model, picture, seed, label, ends, result, link, remark):
        pictures, labels = zip(*ends, strict=True)
        steps = min(into_another.STEPS, inversion_plan(model.schedule)[1])
        _check_work(model, (len(ends) + into_another.IMAGES) * steps)
        tiles = np.stack([pictures[0], *[np.full_like(picture, 128)] * (SHOWN - 2), picture])
        yield 2 * steps, tiles, _layout()
        for done, images in enumerate(into_another.turning(model, pictures, labels), 1):
            if done <= steps:
                tiles[[0, -1]] = images
            else:
                tiles[:] = images[::2]
            if done == 2 * steps:
                result.append(images)
            yield done, remark + _turned(steps, "from=" in link) if result else ""

    def written(self, choice: download.Choice, made) -> download.Taken:
        """Write what is shown as a file."""
        return files.turned(*made, choice)


class Recognised(StepwiseTool):
    """Shows which class makes the network's guess of the noise best, and what the judge says."""

    place, names = "think", ("think", "ask", "think-stop")
    title, words = "What is it?", "Ask the model"
    idle = "Noised again and again: told which class does the network guess the noise best?"
    label = "How much better the network guesses the noise when it is told the class"

    def screen(self, value, **props):
        return opinion.Opinion(value, label=self.label, **props)

    def value(self, made, live=False, **about):
        (thought,) = made or [None]
        if thought is None:
            return self.empty("")
        return opinion.opinion(gains=thought.gains, judged=thought.judged, **about)

    def begin(self, model, picture, seed, label):
        classes, rounds = len(asked_classes(model)), len(round_times(model.schedule))
        _check_work(model, classes * rounds)
        latest: list[Thought] = []
        yield classes * rounds, latest, {"names": model.classes}
        for thought in thoughts(model, picture, rounds, seed):
            latest[:] = [thought]
            words = _verdict(model, thought) if thought.round == rounds else ""
            yield classes * thought.round, words


class Filled(PictureTool):
    """Fills a hole in the picture: eight proposals, with every step of each."""

    place, names = "fill", ("fill-stage", "fill-go", "fill-stop")
    title = words = "Fill in"
    idle = "Paint a hole into your picture: the model fills it, eight times."
    label = "The hole, filled eight times"
    # Only the browser knows the hole; it is sent in place of the stage's value.
    js = '(_, sheet, ...rest) => [sheet?.hole ?? "", sheet, ...rest]'

    def options(self, prefix):
        self.resample = gr.Radio(
            [("no", "1"), ("twice", "3"), ("four times", "5")],
            value="3",
            label="Going back",
            elem_classes="chips",
            elem_id=f"{prefix}-resample",
        )

    def lay_take(self, prefix):
        self.take = download.Download(
            f"{prefix}-fill", panes=share_panel.BOTH, place=prefix, of_tool=True
        )
        download.wire(self.take, self.written)

    def screen(self, value, **props):
        return player.Player(value, label=self.label, grid=(8, 1), **props)

    def wire(self, inputs, python):
        super().wire([self.shows, *inputs, self.resample], python)

    def compute(self, ticket, hole, picture, model, seed, label, resample):
        if picture is None:
            raise InvalidInput("Draw something first.")
        hole, remark = sketch.hole(hole, len(picture)), ""
        if hole is None:
            hole = np.arange(len(picture))[:, None] >= np.full(len(picture), len(picture) // 2)
            remark = "No hole is painted: the lower half was taken. "
        loaded = self.studio.model(model)
        most = most_work(loaded) // (PROPOSALS * int(resample))
        usual = min(STEPS, loaded.schedule.num_timesteps)
        request = fill_request(loaded, label, seed, min(usual, max(LEAST_STEPS, most)))
        about = {"picture": picture.tobytes(), "hole": hole.astype(np.uint8).tobytes()}
        key = FillKey(model, request, **about, resample=int(resample))
        link = forward_links.query(model, picture, seed, label, hole, key.resample)
        yield {
            self.made_of: self.mark(picture, model, seed),
            self.note: "",
            self.take: download.pending(ticket.order, link),
            self.python: forward_links.python_to_fill(model, picture, hole, request, key.resample),
        }
        work = f"{request.steps * key.resample} steps"
        if key.resample > 1:
            work += ", with those made again"
        for done, progress in forward_runs.fill(self.studio, ticket, key):
            updates = {self.shows: player_values.shown(self.studio, progress)}
            if progress.done:
                updates[self.take] = download.due(ticket.order, progress.id, link)
                words = f"{remark}{_filled(loaded, request, key.resample)}"
                updates[self.note] = f"Stopped after {done} steps." if progress.stopped else words
            else:
                updates[self.note] = f"{remark}{done} of {work}"
            yield updates

    def written(self, choice: download.Choice) -> download.Taken:
        """Write what is shown as a file."""
        progress = files.asked(self.studio, choice)
        return files.filled(self.studio.model(progress.key.model), progress, choice)


# In the order in which they stand; each in a tab of its own.
TOOLS = (ThereAndBack, Inverted, IntoAnother, Recognised, Filled)


def _affordable(model: Model, times: list[int]) -> int:
    """The number of steps from each time: the usual one, or fewer for a larger model.

    Raises:
        InvalidInput: if hardly any would be left.
    """
    usual = return_request(model, 0 if model.classes else "none").steps
    least, most = min(LEAST_STEPS, usual), most_work(model)
    for steps in range(usual, least, -1):
        if return_work(times, steps) <= most:
            return steps
    _check_work(model, return_work(times, least))
    return least


def _check_work(model: Model, work: int) -> None:
    most = most_work(model)
    if work > most:
        raise InvalidInput(
            f"with {model.name} these are {work:,} denoisings, more than the {most:,} done at a "
            "time"
        )


def _layout() -> dict:
    """The layout of the tiles from one picture to another."""
    between = [f"{share:.0%}" for share in np.linspace(0, 1, SHOWN)[1:-1]]
    return {"columns": SHOWN, "column_labels": ["from", *between, "to"], "symbol": ""}


def _turned(steps: int, is_linked: bool) -> str:
    large = (
        "" if is_linked else " Both together are too large for the link; the film's file has them."
    )
    return (
        f"{steps} steps of DDIM from both pictures up to their noises, and as many back from "
        f"{into_another.IMAGES} places on the great circle between them. None is a blend of the "
        "two: the model draws each from its own noise. Every second one is shown; the film has "
        f"all.{large}"
    )


def _filled(model: Model, request: Request, resample: int) -> str:
    as_class = "" if request.label == "none" else f", told the class {model.classes[request.label]}"
    again = ""
    if resample > 1:
        times = f"{resample - 1} times, {request.steps * resample} steps in all"
        again = f"; every {STRETCH} of them are gone back over {times}"
    return (
        f"{request.steps} steps of DDIM with η = 1{as_class}{again}. At every step the known part "
        "is your picture with as much noise as $x_t$ has; the network only chooses the rest."
    )


def _verdict(model: Model, thought: Thought) -> str:
    best, free = int(np.argmax(thought.gains)), model.unet.null_index is not None
    words = (
        f"The model takes this for: {model.classes[best]}. Told this class, it guesses the noise "
        f"{thought.gains[best]:.0%} better than {'told nothing' if free else 'on average'} (the "
        f"mean over {thought.rounds} values of t; at each, all classes get the same noise). "
    )
    if free:
        words += "The difference between a guess with the class and one without is what guidance "
        words += "pushes with. "
    if thought.judged:
        sure = int(np.argmax(thought.judged))
        share = thought.judged[sure]
        certain = f"{share:.0%}" if share < 0.995 else "almost 100%"  # it never is entirely
        words += f"The judge reads: {model.classes[sure]}, {certain} sure."
    return words


def _account(inversion: Inversion) -> str:
    return (
        f"{inversion.steps} steps of DDIM each way, float32, $\\hat x_0$ not clipped, up to "
        f"$t = {inversion.time}$. How far the picture that came back is from yours: RMSE "
        f"{inversion.rmse:.4f} per pixel (the root of the mean square; black is −1, white is 1), "
        f"PSNR {inversion.psnr:.1f} dB (the more, the nearer)."
    )
