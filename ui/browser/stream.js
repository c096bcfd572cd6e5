// Gradio's page hears of all that it asked for in one stream, which the server ends once nothing is
// waited for. What could leave the page waiting for good is mended here, between it and the server:
//
// - News of a question may overtake its answer. The page keeps it until then, and takes all of it
//   in one breath, of which some is lost: so news waits for the answer.
// - The answer to a question that was asked just before the end may overtake that end. The page
//   takes the stream for open, and opens no other: so answers wait until there is news of their
//   question, or the page knows that the stream has ended.
// - A stream that is cut off is taken for open, too. Its end is said in the page's own words.
// - A question that a full queue refuses is asked again, for a while.
// - Of questions that are under way at once any may reach the server first: each tells the moment at
//   which it was asked.
// - A page that is slower than its news would do nothing else: between two pieces it takes a breath,
//   in which it hears keys and clicks.
//
// All waiting has an end, after which the page is as it would be without this.
(() => {
  const LONGEST = 60_000; // milliseconds; a film before it may take long on a slow line
  const PATIENCE = 10_000; // for an answer that news waits for
  const UNREAD = 2000; // after which an answer counts as read
  const TRIES = 8;
  const PAUSE = 1500;
  const { gradio } = window;
  const plain = window.fetch;
  const heard = new Set(); // questions of which there was news
  const answered = new Set(); // questions whose answer the page has
  const asking = new Set(); // questions without an answer yet
  let stream = null; // that is being read
  const sleepers = [];

  window.fetch = async (resource, options) => {
    const request = resource instanceof Request ? resource : null;
    const url = request?.url ?? String(resource);
    if (url.startsWith("data:")) return plain(resource, options);
    const { pathname } = new URL(url, document.baseURI);
    if (gradio.hears(pathname)) {
      const opened = (stream = following(request?.signal ?? options?.signal));
      return opened.through(await plain(resource, options).catch(opened.fails));
    }
    if (!gradio.asks(pathname)) return plain(resource, options);
    const headers = new Headers(options?.headers);
    headers.set("x-asked-at", String(performance.timeOrigin + performance.now()));
    const ask = () => plain(resource, { ...options, headers });
    return gradio.joins(pathname) ? join(ask) : ask();
  };

  const wake = () => sleepers.splice(0).forEach((done) => done());
  const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  /** Until it is true, or for so many milliseconds; tells which. */
  async function until(isTrue, patience) {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      wake();
    }, patience);
    while (!isLate && !isTrue()) await new Promise((done) => sleepers.push(done));
    clearTimeout(timer);
    return !isLate;
  }

  async function join(ask) {
    asking.add(ask);
    let id = null;
    const finish = () => {
      asking.delete(ask);
      if (id) answered.add(id);
      wake();
    };
    try {
      let reply = await ask();
      for (let again = 0; reply.status === 503 && again < TRIES; again++) {
        await later(PAUSE);
        reply = await ask();
      }
      const answer = await reply.clone().json().catch(() => null);
      if (answer === null) {
        finish();
        return reply;
      }
      id = answer.event_id;
      if (id && stream) await stream.told(id);
      // What the page does with the answer it does at once.
      reply.json = async () => {
        setTimeout(finish, 0);
        return answer;
      };
      setTimeout(finish, UNREAD); // whoever reads it, and however
      return reply;
    } catch (error) {
      finish();
      throw error;
    }
  }

  function following(signal) {
    let out = null;
    let ended = false;
    let closing = false;
    const text = new TextDecoder();
    const bytes = new TextEncoder();
    let rest = "";

    const end = () => {
      ended = true;
      wake();
    };
    signal?.addEventListener("abort", () => {
      end();
      // The page aborts a stream whose end it has heard of. Another that it gives up, as when it
      // is being left, takes what is waited for along, and it has to know.
      if (!closing) out?.error(new DOMException("given up", "AbortError"));
    });

    async function pass(message, onward) {
      const id = gradio.eventOf(message);
      closing ||= gradio.isEnd(message);
      if (id) {
        heard.add(id);
        wake();
        const isKnown = await until(() => ended || !asking.size || answered.has(id), PATIENCE);
        if (!isKnown) answered.add(id); // its answer was lost
      }
      if (ended) return;
      onward.enqueue(bytes.encode(message));
      // Out of sight timers are slow, and no keys are pressed.
      if (gradio.isNews(message) && !document.hidden) await later(0);
    }

    async function pull(onward, source) {
      const { value, done } = await source.read().catch(() => ({ done: true }));
      if (!done) {
        const messages = (rest + text.decode(value, { stream: true })).split("\n\n");
        rest = messages.pop();
        for (const message of messages) await pass(`${message}\n\n`, onward);
        return messages.length > 0;
      }
      if (ended && !closing) return true; // given up
      if (!closing && !ended) onward.enqueue(bytes.encode(gradio.CUT + gradio.END));
      onward.close();
      setTimeout(end, 1000); // by then the page has heard of it
      return true;
    }

    return {
      fails(error) {
        end();
        throw error;
      },
      told: (id) => until(() => ended || heard.has(id), LONGEST),
      through(reply) {
        if (!reply.ok || !reply.body) end();
        if (ended) return reply;
        const source = reply.body.getReader();
        const body = new ReadableStream({
          start(onward) {
            out = onward;
          },
          async pull(onward) {
            while (!(await pull(onward, source))); // until there was something to pass on
          },
          cancel: (reason) => source.cancel(reason),
        });
        return new Response(body, reply);
      },
    };
  }
})();
