"""All that the page asks for arrives, however its line behaves."""

# The end of a stream arrives so late that requests at the end of a run, for its file say, are
# answered first; or, where the line is cut, it does not arrive.
BAD_LINE = """
const plain = window.fetch;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
window.fetch = async (resource, options) => {
  const reply = await plain(resource, options);
  const { pathname } = new URL(resource.url ?? resource, location.href);
  if (!pathname.endsWith("/queue/data")) return reply;
  const text = new TextDecoder();
  window.streams = (window.streams ?? 0) + 1;
  const bad = new TransformStream({
    async transform(chunk, onward) {
      const said = text.decode(chunk);
      const at = said.indexOf("close_stream");
      if (at < 0) return onward.enqueue(chunk);
      if (!window.cutting) {
        await wait(700);
        window.streams -= 1;
        return onward.enqueue(chunk);
      }
      window.cutting = false;
      const before = said.slice(0, said.lastIndexOf("\\n\\n", at) + 2);
      if (before) onward.enqueue(new TextEncoder().encode(before));
      await wait(500);  // until that is read
      onward.error(new TypeError("cut"));
      window.wasCut = true;
    },
  });
  return new Response(reply.body.pipeThrough(bad), reply);
};
"""


def test_a_line_that_is_slow_or_cut_or_given_up_loses_nothing(visit):
    """A film was lost behind what follows it; and after a laptop slept, or a line was lost, the
    page took its stream for open for good."""
    visitor = visit(None)
    visitor.page.add_init_script(BAD_LINE)
    visitor.open("?n=1&label=8&steps=2&seed=6").wait_for_file("3 frames")
    visitor.has_frames(3)
    visitor.set_number("sample-seed", 7)
    visitor.click("sample-run")
    visitor.wait_for_link(seed="7")
    visitor.wait_for_file("3 frames")
    visitor.page.wait_for_function("window.streams === 0")
    visitor.page.evaluate("window.cutting = true")
    visitor.choose("sample-label", "3")
    visitor.wait_for_link(label="3")
    visitor.page.wait_for_function("window.wasCut")
    visitor.choose("sample-label", "5")
    visitor.wait_for_link(label="5")
    visitor.wait("film")
    # Leaving a page ends its stream; for visitors who stayed or returned the run never ended.
    visitor.set_number("sample-steps", 1000)
    visitor.wait("live")
    visitor.page.evaluate("window.isOld = true; dispatchEvent(new Event('beforeunload'))")
    visitor.page.wait_for_function("!window.isOld", timeout=30_000)
    visitor.wait("film")
    visitor.errors.clear()  # what the page that gave its stream up said, in whichever order
