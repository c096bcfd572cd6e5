"""All that the page asks for arrives, however its line behaves."""

from __future__ import annotations

# The end of a stream is heard of so late that whatever is asked at the end of a run, its file for
# one, is answered first.
LATE = """
const plain = window.fetch;
window.fetch = async (resource, options) => {
  const reply = await plain(resource, options);
  const { pathname } = new URL(resource.url ?? resource, location.href);
  if (!pathname.endsWith("/queue/data")) return reply;
  const text = new TextDecoder();
  const late = new TransformStream({
    async transform(chunk, onward) {
      const isEnd = text.decode(chunk).includes("close_stream");
      if (isEnd) await new Promise((done) => setTimeout(done, 700));
      if (isEnd) window.ends = (window.ends ?? 0) + 1;
      onward.enqueue(chunk);
    },
  });
  return new Response(reply.body.pipeThrough(late), reply);
};
"""


def test_an_end_that_is_heard_late_loses_nothing(visit):
    """A film was lost behind what follows it, and what was asked while a stream ended."""
    visitor = visit(None)
    visitor.page.add_init_script(LATE)
    visitor.open("?n=1&label=8&steps=2&seed=6").wait_for_kept("3 frames")
    visitor.has_frames(3)
    visitor.set_number("sample-seed", 7)
    visitor.click("sample-run")
    visitor.wait_for_link(seed="7")
    visitor.wait_for_kept("3 frames")
    assert visitor.page.evaluate("window.ends") > 0


CUT = """
const plain = window.fetch;
window.fetch = async (resource, options) => {
  const reply = await plain(resource, options);
  const { pathname } = new URL(resource.url ?? resource, location.href);
  if (!window.cutting || !pathname.endsWith("/queue/data")) return reply;
  window.cutting = false;
  const text = new TextDecoder();
  const short = new TransformStream({
    async transform(chunk, onward) {  // all but the word that it ends
      const said = text.decode(chunk);
      const at = said.indexOf("close_stream");
      if (at < 0) return onward.enqueue(chunk);
      const before = said.slice(0, said.lastIndexOf("\\n\\n", at) + 2);
      if (before) onward.enqueue(new TextEncoder().encode(before));
      await new Promise((done) => setTimeout(done, 500));  // until that is read
      onward.error(new TypeError("cut"));
      window.wasCut = true;
    },
  });
  return new Response(reply.body.pipeThrough(short), reply);
};
"""


def test_a_page_that_was_cut_off_or_given_up_answers_again(visit):
    """A laptop that slept, a line that was lost: the page took its stream for open for good."""
    visitor = visit(None)
    visitor.page.add_init_script(CUT)
    visitor.open("?n=1&steps=3").wait_for_kept("4 frames")
    visitor.page.wait_for_timeout(1000)  # until nothing is asked
    visitor.page.evaluate("window.cutting = true")
    visitor.choose("sample-label", "3")
    visitor.wait_for_link(label="3")
    visitor.page.wait_for_function("window.wasCut")
    visitor.page.wait_for_timeout(500)
    visitor.choose("sample-label", "5")
    visitor.wait_for_link(label="5")
    visitor.wait("film")
    # Leaving a page ends its stream; who then stays, or returns, had a run that never ended.
    visitor.set_number("sample-steps", 200)
    visitor.click("sample-run")
    visitor.wait("live")
    visitor.page.evaluate("window.isOld = true; dispatchEvent(new Event('beforeunload'))")
    visitor.page.wait_for_function("!window.isOld", timeout=30_000)
    visitor.wait("film")
    visitor.errors.clear()  # what the page that gave its stream up said, in whichever order
