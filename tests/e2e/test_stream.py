"""All that the page asks for arrives, however late it hears that a stream of news has ended."""

from __future__ import annotations

import pytest

from ui.page import HERE

# The end of a stream is heard of so late that whatever is asked at the end of a run, its file for
# one, is answered first. Without that, it happens once in some hundred visits.
LATE = """
const plain = window.fetch;
window.fetch = async (resource, options) => {
  const reply = await plain(resource, options);
  if (!new URL(resource.url ?? resource, location.href).pathname.endsWith("/queue/data")) {
    return reply;
  }
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


def test_what_is_asked_while_a_stream_ends_is_answered_all_the_same(visit):
    visitor = visit(None)
    visitor.page.add_init_script(LATE)
    visitor.open("?n=4&label=8&steps=12&seed=2&dtype=float32")
    visitor.wait_for_kept("13 frames")
    visitor.page.get_by_role("tab", name="Forward process").click()
    visitor.wait_for_kept("frames", tab="forward")
    assert visitor.page.evaluate("window.ends") > 1


def test_news_that_overtakes_its_answer_is_shown_whole(visit):
    """Taken in one breath, the film was lost behind what follows it, and the stage stayed empty."""
    visitor = visit(None)
    visitor.page.add_init_script(
        """
        const plain = window.fetch;
        window.fetch = async (resource, options) => {
          const reply = await plain(resource, options);
          const { pathname } = new URL(resource.url ?? resource, location.href);
          if (pathname.endsWith("/queue/join")) {
            await new Promise((done) => setTimeout(done, 700));
          }
          return reply;
        };
        """
    )
    visitor.open("?n=1&steps=2&seed=6")
    visitor.wait("film")
    visitor.wait_for_kept("3 frames")
    assert visitor.stage().get_attribute("data-frames") == "3"


def test_a_page_whose_stream_was_cut_off_or_given_up_answers_again(visit):
    """A laptop that slept, a line that was lost: the page took its stream for open for good."""
    visitor = visit(None)
    cut = """
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
    visitor.page.add_init_script(cut)
    visitor.open("?n=1&steps=3")
    visitor.wait_for_kept("4 frames")
    visitor.page.wait_for_timeout(1000)  # until nothing is asked
    visitor.page.evaluate("window.cutting = true")
    visitor.choose("sample-label", "3")
    visitor.page.wait_for_url("**/*label=3*")
    visitor.page.wait_for_function("window.wasCut")
    visitor.page.wait_for_timeout(500)
    visitor.choose("sample-label", "5")
    visitor.page.wait_for_url("**/*label=5*")
    visitor.wait("film")
    # Leaving a page ends its stream; who then stays, or returns, had a run that never ended.
    visitor.set_number("sample-steps", 400)
    visitor.click("sample-run")
    visitor.wait("live")
    visitor.page.evaluate("window.isOld = true; dispatchEvent(new Event('beforeunload'))")
    visitor.page.wait_for_function("!window.isOld", timeout=30_000)
    visitor.wait("film")
    visitor.errors.clear()  # what the page that gave its stream up said, in whichever order


def test_what_is_refused_is_asked_again_and_a_reply_read_elsewhere_holds_no_news_up(visit):
    """What watches a page for its owner may hand on a reply of its own."""
    visitor = visit(None)
    refused = []

    def refuse(route):
        if len(refused) < 2:
            refused.append(route.request.url)
            route.fulfill(status=503, json={"detail": "Queue is full."})
        else:
            route.continue_()

    visitor.page.route("**/queue/join*", refuse)
    visitor.open("?n=1&steps=3&seed=4")
    visitor.wait_for_kept("4 frames")
    assert len(refused) == 2
    visitor.expect_error("503")
    visitor.page.evaluate(
        """() => {
          const ordered = window.fetch;
          window.fetch = async (...asked) => {
            const reply = await ordered(...asked);
            if (!reply.url.includes("/queue/join")) return reply;
            window.handed = (window.handed ?? 0) + 1;
            return new Response(await reply.clone().text(), reply);
          };
          window.fetch.inOrder = true;
        }"""
    )
    visitor.choose("sample-label", "5")
    visitor.page.wait_for_url("**/*label=5*")
    visitor.wait("film")
    visitor.wait_for_kept("4 frames")
    assert visitor.page.evaluate("window.handed") > 0


# Fifty pieces of news that are there at once, and how often the page could have heard a key before
# each of them.
AT_ONCE = """async ([script, hidden]) => {
  Object.defineProperty(document, "hidden", { get: () => hidden });
  const piece = 'data: {"msg": "process_generating", "event_id": "a"}';
  window.fetch = async () => new Response(`${piece}\\n\\n`.repeat(50));
  (0, eval)(script);
  let chances = 0;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => port2.postMessage((chances += 1));
  port2.postMessage(0);
  const news = (await fetch("http://here/queue/data")).body.getReader();
  const before = [];
  for (;;) {
    const { value, done } = await news.read();
    if (done || new TextDecoder().decode(value).includes("broken")) return before;
    before.push(chances);
  }
}"""


@pytest.mark.parametrize("hidden", [False, True], ids=["seen", "hidden"])
def test_between_two_pieces_of_news_keys_are_heard(chromium, hidden):
    """On a busy machine a page that took all that had come at once froze for a minute.

    One that is not seen waits for nothing: a browser lets its timers go off once a second.
    """
    page = chromium.new_page()
    script = (HERE / "stream.js").read_text(encoding="utf-8")
    before = page.evaluate(AT_ONCE, [script, hidden])
    page.close()
    assert len(before) == 50 and len(set(before)) == (1 if hidden else 50)
