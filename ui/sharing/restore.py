"""What arrives at the page, by its address or as a dropped file, goes where it belongs and runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import gradio as gr

from ddpm_core import InvalidInput

from ..events import EVERY, QUIET
from ..runs import player_values, races
from ..runs.runs import Key, Studio
from ..tabs import results
from ..tabs.forward import forward
from ..tabs.reverse import reverse
from ..tabs.run_tab import RunTab
from ..widgets.file_drop import file_drop
from . import permalinks


class Arrival(NamedTuple):
    """Something to be shown.

    Attributes:
        place: a tab, and behind a space one of its views.
        run: what goes there, as the place takes it.
        refused: why it cannot run; its controls are set all the same.
        count: of a file: the how many-th it is.
    """

    place: str
    run: Any = None
    refused: str = ""
    count: int = 0

    @property
    def tab(self) -> str:
        return self.place.partition(" ")[0]

    @property
    def view(self) -> str:
        return self.place.partition(" ")[2] or "one"


@dataclass
class Places:
    """Where something can go."""

    studio: Studio
    run_tabs: dict[str, RunTab]
    reversing: reverse.Reverse
    noising: forward.Forward
    tabs: gr.Tabs

    @property
    def comparisons(self) -> dict:
        return {f"reverse {name}": it for name, it in self.reversing.comparisons.items()}

    @property
    def runs(self) -> dict:
        """What runs something, by place."""
        return self.run_tabs | self.comparisons

    @property
    def shown(self) -> list:
        """What says which tab and which view is seen."""
        return [self.tabs, self.reversing.views]

    def show(self, arrival: Arrival) -> dict:
        """Updates that bring its place to the front."""
        shown = {self.tabs: gr.Tabs(selected=arrival.tab)}
        if arrival.tab == "reverse":
            shown[self.reversing.views] = gr.Tabs(selected=arrival.view)
        return shown

    def by_address(self, visitor: gr.Request) -> Arrival:
        """What the page's address asks for, or the default."""
        found = visitor.query_params
        # A name may occur twice; the plain dictionary that a test hands over has none that does.
        pairs = list(getattr(found, "multi_items", found.items)())
        params = dict(pairs)
        name = params.get("tab")
        if name == forward.NAME:
            return Arrival(name, pairs)
        if name == results.NAME:
            return Arrival(name)  # nothing runs there
        comparison = self.comparisons.get(f"{name} {params.get('view')}")
        if comparison is not None:
            place = f"{name} {comparison.view.name}"
            try:
                asked = races.parse(params, comparison.view.default)
                return Arrival(place, races.settled(self.studio, asked)[0])
            except InvalidInput as error:
                return Arrival(place, comparison.view.default, str(error))
        name = name if name in self.run_tabs else "sample"
        run_tab, run = self.run_tabs[name], None
        try:
            model = self.studio.model(params.get("model") or first(self.studio))
            run = permalinks.parse(pairs, Key(model.name, run_tab.default_for(model)))
            return Arrival(name, fitting(run_tab, run))
        except InvalidInput as error:
            names = self.studio.names()
            if names:  # a page that cannot do what its link says still has its controls set
                model = self.studio.model(names[0])
                run = Key(model.name, run_tab.default_for(model))
            return Arrival(name, run if names else None, str(error))

    def by_note(self, note: str, count: int) -> Arrival:
        """What a file's note asks for.

        Raises:
            InvalidInput: saying what is wrong with it.
        """
        about = permalinks.read_note(note)
        if about.get("tab") == forward.NAME or about.get("process") == "forward":
            return Arrival(forward.NAME, forward.read(self.studio, about), count=count)
        comparison = self.comparisons.get(f"reverse {about.get('race')}")
        if comparison is not None:
            asked = races.from_note(about, comparison.view.default)
            run = races.settled(self.studio, asked)[0]
            return Arrival(f"reverse {comparison.view.name}", run, count=count)
        name, key = permalinks.from_note(note)
        return Arrival(name, fitting(self.run_tabs[name], key), count=count)

    def set_to(self, arrival: Arrival, visitor: gr.Request) -> dict:
        """Updates of the controls of its place."""
        place, run = arrival.place, arrival.run
        if place == forward.NAME and arrival.count:
            return forward.set_to(self.studio, self.noising, run, f"file {arrival.count}")
        if place == forward.NAME:
            return forward.restore(self.studio, self.noising, visitor, run, first)
        if run is None:
            return {}  # nothing is here that could run
        if place in self.run_tabs:
            return self.run_tabs[place].set_to(Key(*run))
        return self.comparisons[place].set_to(races.RaceKey(*run))

    def controls(self) -> list:
        """All that ``set_to`` may update."""
        found = list(forward.restored(self.noising))
        for run_tab in self.run_tabs.values():
            found += [*run_tab.controls.inputs, run_tab.current]
        found.append(self.run_tabs["guidance"].controls.applies)
        for comparison in self.comparisons.values():
            found += [*comparison.inputs.values(), *([comparison.note] if comparison.note else [])]
        return found


def wire(page: gr.Blocks, dropper: file_drop.FileDrop, places: Places) -> gr.State:
    """Follow the page's address when it opens, and every file that is dropped.

    Returns:
        what the newest file asks for, an ``Arrival`` or None; known before its place is seen.
    """
    # What the address and the newest file ask for, either of which may be known first; and which of
    # the two is to run.
    linked, filed, wanted = (gr.State(None, time_to_live=3600) for _ in range(3))
    addressed = gr.Textbox("", visible=False)  # the place of what is linked

    def open_page(visitor: gr.Request):
        arrival = places.by_address(visitor)
        return {addressed: arrival.place, linked: arrival}

    def open_file(dropped: file_drop.Dropped | None, visitor: gr.Request):
        if dropped is None:
            return {filed: None}
        newest = places.studio.arm((visitor.session_hash, "file"), at=dropped.asked)
        try:
            arrival = places.by_note(dropped.note, dropped.asked)
        except InvalidInput as error:
            if newest.superseded:
                return {filed: gr.skip()}
            message = f"{dropped.name}: {error}"
            return {filed: None, dropper: file_drop.told(dropped, message, refused=True)}
        if newest.superseded:  # its model took long, and another file has come meanwhile
            return {filed: gr.skip()}
        message = f"On the stage: {_restored(dropped)}"
        told = file_drop.told(dropped, message, place=arrival.place)
        shown = places.show(arrival) | {filed: arrival, dropper: told}
        # Opened for the first time, that tab would draw a digit of its own.
        more = {places.noising.drawn: True} if arrival.place == forward.NAME else {}
        return shown | more

    # One event for each place: what a run yields is weighed against all that its event could set,
    # and a run yields often. A signal alone sets it off, so that no other place waits in the queue.
    signals = {place: gr.State(0.0, time_to_live=3600) for place in places.runs}

    def set_controls(found, visitor: gr.Request):
        if not found:
            return {wanted: gr.skip()}
        arrival = Arrival(*found)
        signal = signals.get(arrival.place)
        updates = places.set_to(arrival, visitor) | ({signal: time.time()} if signal else {})
        return {wanted: arrival} | updates

    def set_by_address(linked, filed, visitor: gr.Request):
        # It may have waited for its tab so long that a file has come meanwhile.
        return set_controls(None if filed else linked, visitor)

    def set_by_file(_, filed, visitor: gr.Request):
        return set_controls(filed, visitor)

    opened = page.load(open_page, None, [addressed, linked], **QUIET)
    arrive = "(place) => window.page.arrive(place)"
    opened.then(None, addressed, places.shown, js=arrive, **QUIET)
    asked = [dropper, *places.shown, filed, places.noising.drawn]
    dropped = dropper.input(open_file, dropper, asked, **EVERY)
    outputs = [wanted, *signals.values(), *places.controls()]
    ready = "(...values) => window.page.ready(values)"
    opened.then(set_by_address, [linked, filed], outputs, js=ready, **QUIET)
    ready = "(...values) => window.page.filed(values)"
    dropped.then(set_by_file, [dropper, filed], outputs, js=ready, **QUIET)
    for place, it in places.runs.items():
        _run(place, it, signals[place], wanted)
    return filed


def _restored(dropped: file_drop.Dropped) -> str:
    """What stands on the stage of what a file shows."""
    about = permalinks.read_note(dropped.note)
    if about.get("sheet"):
        return f"the run that {dropped.name} shows at several scales"
    if about.get("stopped_after"):
        return f"the whole run of {dropped.name}, which was stopped on its way"
    return f"the run of {dropped.name}"


def _run(place: str, it, signal: gr.State, wanted: gr.State) -> None:
    def start(found, visitor: gr.Request) -> Iterator[dict]:
        arrival = Arrival(*found) if found else None
        if arrival is None or arrival.place != place:  # another file has come meanwhile
            yield {it.current: gr.skip()}
            return
        if arrival.refused:
            yield it.refuse(visitor, InvalidInput(arrival.refused))
            return
        kind = Key if isinstance(it, RunTab) else races.RaceKey
        yield from it.stream(visitor, kind(*arrival.run))

    signal.change(start, wanted, it.outputs, trigger_mode="multiple", **player_values.STREAM)


def fitting(run_tab: RunTab, key: Key) -> Key:
    """A run as a tab can show it.

    Raises:
        InvalidInput: saying why it cannot.
    """
    if run_tab.name != "guidance":
        key = Key(key.model, key.request)  # only that tab has rows and branches
    if run_tab.single:
        key = key._replace(request=replace(key.request, n=1))
    key = run_tab.studio.settled(key)
    run_tab.check(key)
    return key


def first(studio: Studio) -> str:
    """The model a newcomer sees first."""
    if not studio.names():
        raise InvalidInput(
            "no checkpoints are here yet; train one with "
            "'python -m ddpm_core train --recipe mnist-conditional' and copy its checkpoint folder "
            "to checkpoints/"
        )
    return studio.names()[0]
