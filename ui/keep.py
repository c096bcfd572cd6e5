"""Everything is kept: the run on a stage as PNG, GIF, link, Python and command line."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from . import permalinks, stage
from .runs import Progress, Studio

# Rewrites the address without a request, and shows the link whole.
REMEMBER = """(query) => {
  if (!query) return query;
  const url = new URL(location.href);
  const theme = url.searchParams.get("__theme");
  const params = new URLSearchParams(query.slice(query.indexOf("?") + 1));
  if (theme) params.set("__theme", theme);
  history.replaceState(null, "", location.pathname + "?" + params);
  params.delete("__theme");
  return location.origin + location.pathname + "?" + params;
}"""


BARRED = gr.update(interactive=False)


@dataclass
class Keep:
    """The components under a stage that hand the run over."""

    png: gr.DownloadButton
    gif: gr.DownloadButton
    link: gr.Textbox
    python: gr.Code
    command: gr.Code

    @property
    def outputs(self) -> list:
        return [self.png, self.gif, self.link, self.python, self.command]

    def announced(self, studio: Studio, tab: str, progress: Progress) -> dict:
        """Updates for a run that begins: its link and its code; files are still to come."""
        meant = studio.model(progress.key.model).config.sampling
        return {
            self.link: permalinks.query(progress.key, tab=tab),
            self.python: permalinks.python(progress.key),
            self.command: permalinks.command_line(progress.key, meant=meant),
        } | ({} if progress.done else {self.png: BARRED, self.gif: BARRED})

    def offered(self, studio: Studio, progress: Progress, panes: tuple[str, ...]) -> dict:
        """Updates that offer the files of a run that has ended."""
        png, gif, size = stage.files(studio, progress, panes)
        label = f"GIF · {progress.film.frames:,} frames · {size_in_words(size)}"
        return {
            self.png: gr.update(value=png, interactive=True),
            self.gif: gr.update(value=gif, label=label, interactive=True),
        }


def build(prefix: str) -> Keep:
    """Lay the row of downloads and the folded copies out."""
    with gr.Row(elem_classes="keep"):
        gif = gr.DownloadButton("GIF", interactive=False, elem_id=f"{prefix}-gif", size="sm")
        png = gr.DownloadButton("PNG", interactive=False, elem_id=f"{prefix}-png", size="sm")
    with gr.Accordion("Link, Python, command line", open=False, elem_id=f"{prefix}-copies"):
        link = gr.Textbox(label="Link", interactive=False, buttons=["copy"], max_lines=1)
        python = gr.Code(label="Python", language="python", interactive=False, wrap_lines=True)
        command = gr.Code(
            label="Command line", language="shell", interactive=False, wrap_lines=True
        )
    return Keep(png, gif, link, python, command)


def remember(event, kept: Keep) -> None:
    """After ``event``, put the run into the page's address."""
    event.then(
        None, kept.link, kept.link, js=REMEMBER, show_progress="hidden", api_visibility="private"
    )


def size_in_words(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(1, size // 2**10)} kB"
