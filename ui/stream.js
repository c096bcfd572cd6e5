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
(() => {
  let longest = 60_000; // milliseconds; a film before it may take long on a slow line
  const TRIES = 8;
  const PAUSE = 1500;
  const END = 'data: {"msg": "close_stream"}\n\n';
  const CUT = `data: {"msg": "broken_connection"}\n\n${END}`;
  const plain = window.fetch;
  const heard = new Set(); // questions of which there was news
  const answered = new Set(); // questions whose answer the page has
  let asking = 0;
  let stream = null; // that is being read
  let sleepers = [];

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

  const wake = () => sleepers.splice(0).forEach((done) => done());
  const change = () => new Promise((done) => sleepers.push(done));

  async function join(ask) {
    asking += 1;
    let id = null;
    const finish = () => {
      asking -= 1;
      if (id) answered.add(id);
      wake();
    };
    try {
      let reply = await ask();
      for (let again = 0; reply.status === 503 && again < TRIES; again++) {
        await new Promise((done) => setTimeout(done, PAUSE));
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
      return reply;
    } catch (error) {
      finish();
      throw error;
    }
  }

  // The page aborts a stream whose end it has heard of.
  function following(signal) {
    let waiting = [];
    let ended = false;
    let closing = false;
    const text = new TextDecoder();
    const bytes = new TextEncoder();
    let rest = "";

    const settle = () => {
      waiting = waiting.filter(({ id, done }) => !(ended || heard.has(id)) || done());
    };
    const end = () => {
      ended = true;
      settle();
      wake();
    };
    signal?.addEventListener("abort", end);

    async function pass(message, onward) {
      const id = /"event_id": ?"(\w+)"/.exec(message)?.[1];
      closing ||= /"msg": ?"close_stream"/.test(message);
      if (id) {
        heard.add(id);
        settle();
        while (!ended && asking && !answered.has(id)) await change();
      }
      if (!ended) onward.enqueue(bytes.encode(message));
    }

    async function pull(onward, source) {
      const { value, done } = await source.read().catch(() => ({ done: true }));
      if (!done) {
        const messages = (rest + text.decode(value, { stream: true })).split(/(?<=\n\n)/);
        rest = messages.at(-1).endsWith("\n\n") ? "" : messages.pop();
        for (const message of messages) await pass(message, onward);
        return messages.length > 0;
      }
      if (!closing && !ended) onward.enqueue(bytes.encode(CUT));
      onward.close();
      setTimeout(end, 1000); // by then the page has heard of it
      return true;
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
            while (!(await pull(onward, source))); // until there was something to pass on
          },
          cancel: (reason) => source.cancel(reason),
        });
        return new Response(body, reply);
      },
    };
  }
})();
