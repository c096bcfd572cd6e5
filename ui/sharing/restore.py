"""The page's address, links and dropped files open where they belong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from ddpm_core import InvalidInput

from ..events import EVERY, QUIET, STREAM
from ..runs.runs import Studio
from ..widgets.examples import examples
from ..widgets.file_drop import file_drop
from . import permalinks

# Places whose component starts a run by itself when it is set.
ASKING = ("forward", "plane")
# Parameters of an address that ask for no run.
PLAIN = {"tab", "view", "embed", "__theme"}


@dataclass(frozen=True)
class Arrival:
    """Something to be shown.

    Attributes:
        place: a tab, or a tab and one of its views with a space between them.
        run: its run, as the place takes it; None if it shows one by itself.
        refused: why it cannot run; its controls are set all the same.
        count: tells later links and files apart; 0 for the page's address.
        plain: it asks only for what a place shows by itself, so that it changes nothing that the
            visitor has set or run meanwhile.
    """

    place: str
    run: Any = None
    refused: str = ""
    count: int = 0
    plain: bool = False


@dataclass
class Arrivals:
    """Opens links and files in their places.

    Attributes:
        places: tabs and views, by name. Each reads a link (``asked``), sets its controls
            (``set_to``, of ``settable``), runs it (``stream``) or refuses what cannot be shown
            (``refuse``).
    """

    studio: Studio
    places: dict[str, Any]

    def by_link(self, pairs: list[tuple[str, str]], count: int = 0) -> Arrival:
        """The arrival by the pairs of a link's query."""
        params = dict(pairs)
        place = params.get("tab", "sample")
        if f"{place} {params.get('view')}" in self.places:
            place = f"{place} {params['view']}"
        if place == "results":
            return Arrival(place)  # nothing runs there
        place = place if place in self.places else "sample"
        try:
            model = params.get("model") or first(self.studio, place)
            plain = not (params.keys() - PLAIN or place in ASKING)
            if plain and self.places[place].opens_with:
                return Arrival(place, count=count)
            run = self.places[place].asked(pairs, model)
            return Arrival(place, run, count=count, plain=plain and not self.studio.own)
        except InvalidInput as error:
            return Arrival(place, self._default(place), str(error), count)

    def _default(self, place: str):
        """The run that the controls are set to if a request cannot be shown, or None."""
        try:  # a picture on the sheet would take the place of the refusal
            return (
                None if place in ASKING else self.places[place].asked([], first(self.studio, place))
            )
        except InvalidInput:
            return None

    def by_note(self, note: str, count: int) -> Arrival:
        """The arrival by a file's note.

        Raises:
            InvalidInput: saying what is wrong with it.
        """
        about = permalinks.read_note(note)
        for name in ("model", "against"):  # a race has two models
            if isinstance(about.get(name), str):
                about[name] = self.studio.called(about[name])
        place = f"reverse {about.get('race')}"
        if about.get("tab") in ASKING:
            place = about["tab"]
        elif about.get("process") == "forward":
            place = "forward"
        if place in self.places:
            return Arrival(place, self.places[place].noted(about), count=count)
        place, key = permalinks.from_note(note)
        key = replace(key, model=about["model"])
        return Arrival(place, self.places[place].fitting(key), count=count)

    def wire(self, page: gr.Blocks, dropper: file_drop.FileDrop, links: examples.Examples) -> None:
        """Follow the page's address when it opens, and every file or link that is opened later."""
        # The arrivals by the address and by the newest file or link; either may be known first.
        linked, filed = (gr.State(None, time_to_live=3600) for _ in range(2))
        # One event for each place: a run yields often, and Gradio weighs what it yields against all
        # outputs of its event. Each has a signal of its own, so that no other event waits in the
        # queue.
        signals = {
            name: gr.State(None, time_to_live=3600)
            for name, place in self.places.items()
            if hasattr(place, "stream")
        }

        def open_page(visitor: gr.Request):
            params = visitor.query_params
            # A name may occur twice, but not where Gradio hands a plain dictionary over.
            pairs = getattr(params, "multi_items", params.items)()
            return {linked: self.by_link(list(pairs))}

        def open_file(dropped: file_drop.Dropped | None, visitor: gr.Request):
            if dropped is None:
                return {filed: None}
            newest = self.studio.arm((visitor.session_hash, "file"), at=dropped.asked)
            try:
                arrival = self.by_note(dropped.note, dropped.asked)
            except InvalidInput as error:
                if newest.superseded:
                    return {filed: gr.skip()}
                message = f"{dropped.name}: {error}"
                return {filed: None, dropper: file_drop.told(dropped, message, refused=True)}
            if newest.superseded:  # its model took long, and another file has come meanwhile
                return {filed: gr.skip()}
            answer = file_drop.told(dropped, _restored(dropped), place=arrival.place)
            return {filed: arrival, dropper: answer}

        def open_link(query: str | None, visitor: gr.Request):
            if query is None:
                return {filed: None}
            newest = self.studio.arm((visitor.session_hash, "file"))
            return {filed: self.by_link(parse_qsl(query), newest.order)}

        def set_controls(arrival: Arrival | None):
            place = arrival and self.places.get(arrival.place)
            if place is None:
                return {filed: gr.skip()}
            signal = signals.get(arrival.place, filed)
            updates = {signal: gr.skip() if signal is filed else arrival}
            if arrival.run is None or arrival.plain:  # nothing can be shown or set
                return updates
            arguments = [f"arrival {arrival.count}"] if arrival.place in ASKING else []
            return updates | place.set_to(arrival.run, *arguments)

        def set_by_address(linked, filed):
            # A file may have come while the address waited for its tab.
            return set_controls(None if filed else linked)

        def set_by_file(_, filed):
            return set_controls(filed)

        opened = page.load(open_page, None, linked, **QUIET)
        dropped = dropper.input(open_file, dropper, [dropper, filed], **EVERY)
        controls = [part for place in self.places.values() for part in place.settable]
        outputs = [filed, *signals.values(), *controls]
        ready = "(...values) => window.page.ready(values)"
        opened.then(set_by_address, [linked, filed], outputs, js=ready, **QUIET)
        dropped.then(set_by_file, [dropper, filed], outputs, js=ready, **QUIET)
        followed = links.input(open_link, links, filed, **EVERY)
        followed.then(set_by_file, [links, filed], outputs, js=ready, **QUIET)
        for name, signal in signals.items():
            place = self.places[name]
            signal.change(_running(place), [signal, filed], place.outputs, **STREAM)


def _running(place):
    def start(arrival: Arrival | None, filed, visitor: gr.Request) -> Iterator[dict]:
        if arrival is None or (filed and filed.count != arrival.count):
            yield place.silence  # another file has come meanwhile
        elif arrival.plain and place.studio.has_asked((visitor.session_hash, place.name)):
            yield place.silence
        elif arrival.refused:
            yield place.refuse(visitor, InvalidInput(arrival.refused))
        elif arrival.run is None:
            yield place.silence
        else:
            yield from place.stream(visitor, arrival.run)

    return start


def _restored(dropped: file_drop.Dropped) -> str:
    """Says which run of a file is on the stage."""
    about: Mapping = permalinks.read_note(dropped.note)
    words = f"the run of {dropped.name}"
    if about.get("sheet"):
        words = f"the run that {dropped.name} shows at several scales"
    elif about.get("stopped_after"):
        words = f"the whole run of {dropped.name}, which was stopped on its way"
    return f"On the stage: {words}"


def first(studio: Studio, place: str = "sample") -> str:
    """The model that a newcomer sees first; only the Sample tab opens with the host's own."""
    return studio.own[0] if studio.own and place == "sample" else studio.names()[0]
