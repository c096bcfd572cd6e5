// Gradio's page hears of all that it asked for in one stream, which the server ends once nothing is
// waited for. What could leave the page waiting for good is mended here, between it and the server:
//
// - The answer to a question that was asked just then may overtake that end: the page takes the
//   stream for open, and opens no other. So answers are held back until the stream has told of
//   their question, or the page knows that it has ended.
// - A stream that is cut off is taken for open, too. Its end is said in the page's own words.
// - A question that a full queue refuses is asked again, for a while.
(() => {
  let longest = 60_000; // milliseconds; a film before it may take long on a slow line
  const TRIES = 8;
  const PAUSE = 1500;
  const END = 'data: {"msg": "close_stream"}\n\n';
  const CUT = `\n\ndata: {"msg": "broken_connection"}\n\n${END}`;
  const plain = window.fetch;
  const heard = new Set(); // of what any stream has told, before its answer was here
  let stream = null; // that is being read

  window.fetch = async (resource, options) => {
    const url = resource.url ?? String(resource);
    if (url.startsWith("data:")) return plain(resource, options);
    const { pathname } = new URL(url, location.href);
    if (pathname.endsWith("/queue/data")) {
      const opened = (stream = following(resource.signal ?? options?.signal));
      return opened.through(await plain(resource, options).catch(opened.fails));
    }
    if (pathname.endsWith("/queue/join")) return join(() => plain(resource, options));
    return plain(resource, options);
  };

  async function join(ask) {
    let reply = await ask();
    for (let again = 0; reply.status === 503 && again < TRIES; again++) {
      await new Promise((done) => setTimeout(done, PAUSE));
      reply = await ask();
    }
    if (!reply.ok || !stream) return reply;
    const id = await reply.clone().json().then((answer) => answer.event_id, () => null);
    if (id) await stream.told(id);
    heard.delete(id);
    return reply;
  }

  // The page aborts a stream whose end it has heard of.
  function following(signal) {
    let waiting = [];
    let ended = false;
    let closing = false;
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
      closing ||= /"msg": ?"close_stream"/.test(rest);
      rest = rest.slice(-100); // of which a part is still to come
      settle();
    }

    return {
      fails(error) {
        end();
        throw error;
      },
      told: (id) => new Promise((done) => {
        waiting.push({ id, done });
        settle();
        setTimeout(() => {
          if (!ended && !heard.has(id)) longest = 0; // this server tells of no questions
          done();
        }, longest);
      }),
      through(reply) {
        if (!reply.ok || !reply.body) end();
        if (ended) return reply;
        const source = reply.body.getReader();
        const body = new ReadableStream({
          async pull(onward) {
            const { value, done } = await source.read().catch(() => ({ done: true }));
            if (!done) {
              onward.enqueue(value);
              listen(value);
              return;
            }
            if (!closing && !ended) onward.enqueue(new TextEncoder().encode(CUT));
            onward.close();
            setTimeout(end, 1000); // by then the page has heard of it
          },
          cancel: (reason) => source.cancel(reason),
        });
        return new Response(body, reply);
      },
    };
  }
})();
