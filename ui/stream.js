// Gradio's page hears of all that it asked for in one stream, which the server ends once nothing is
// waited for. The answer to a question that was asked just then may overtake that end: the page
// takes the stream for open, opens no other, and would wait for good. So answers are held back
// until the stream has told of their question, or the page knows that it has ended.
(() => {
  const LONGEST = 60_000; // milliseconds; a film before it may take long on a slow line
  const plain = window.fetch;
  let stream = null; // that is being read

  window.fetch = async (resource, options) => {
    const path = new URL(resource.url ?? resource, location.href).pathname;
    if (path.endsWith("/queue/data")) {
      const opened = (stream = following(resource.signal ?? options?.signal));
      const reply = await plain(resource, options).catch(opened.fails);
      return opened.through(reply);
    }
    const reply = await plain(resource, options);
    if (path.endsWith("/queue/join") && reply.ok && stream) {
      await stream.told((await reply.clone().json()).event_id);
    }
    return reply;
  };

  // What a stream has told of. The page aborts a stream whose end it has heard of.
  function following(signal) {
    const heard = new Set();
    let waiting = [];
    let ended = false;
    const text = new TextDecoder();
    let rest = "";

    const settle = () => {
      waiting = waiting.filter(({ id, done }) => !(ended || heard.has(id)) || done());
    };
    const end = () => {
      ended = true;
      settle();
    };
    signal?.addEventListener("abort", end);

    function listen(chunk) {
      rest += text.decode(chunk, { stream: true });
      for (const [, id] of rest.matchAll(/"event_id": ?"(\w+)"/g)) heard.add(id);
      rest = rest.slice(-100); // of an id of which a part is still to come
      settle();
    }

    return {
      fails(error) {
        end();
        throw error;
      },
      told: (id) => new Promise((done) => {
        waiting.push({ id, done });
        setTimeout(done, LONGEST);
        settle();
      }),
      through(reply) {
        if (!reply.ok || !reply.body) end();
        if (ended) return reply;
        const tap = new TransformStream({
          transform(chunk, onward) {
            onward.enqueue(chunk);
            listen(chunk);
          },
          flush: () => void setTimeout(end, 1000), // were it cut off, the page would not abort it
        });
        return new Response(reply.body.pipeThrough(tap), reply);
      },
    };
  }
})();
