import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = ["gradio.js", "stream.js"]
  .map((name) => readFileSync(new URL(name, import.meta.url), "utf-8")).join("\n");
const later = (ms) => new Promise((done) => setTimeout(done, ms));
const message = (about) => `data: ${JSON.stringify(about)}\n\n`;

/** A page whose server answers questions, and sends news, as a test tells it to. */
function page(answers, hidden = true) {
  const window = { fetch: (url, options) => answers(String(url), options) };
  const world = { window, document: { baseURI: "http://page/", hidden }, history: {}, URL, Request,
    Response, Headers, performance, ReadableStream, TextDecoder, TextEncoder, DOMException, setTimeout, clearTimeout };
  vm.runInNewContext(SCRIPT, world);
  return window;
}

/** A stream of news that a test feeds. */
function news() {
  let out = null;
  const body = new ReadableStream({ start: (onward) => (out = onward) });
  const send = (about) => out.enqueue(new TextEncoder().encode(message(about)));
  return { reply: new Response(body), send, end: () => out.close() };
}

async function heard(reply) {
  let text = "";
  for await (const part of reply.body) text += new TextDecoder().decode(part);
  return text;
}

test("news that overtakes its answer waits for it", async () => {
  const { reply, send, end } = news();
  const window = page((url) => url.endsWith("/queue/join")
    ? later(60).then(() => Response.json({ event_id: "a1" })) : Promise.resolve(reply));
  const stream = await window.fetch("http://page/queue/data");
  const order = [];
  const asked = window.fetch("http://page/queue/join").then((answer) => answer.json())
    .then(() => order.push("answer"));
  send({ msg: "process_generating", event_id: "a1" });
  const first = stream.body.getReader().read().then(() => order.push("news"));
  await Promise.all([asked, first]);
  assert.deepEqual(order, ["answer", "news"]);
  end();
});

test("a stream that is cut off ends in the page's own words", async () => {
  const { reply, end } = news();
  const window = page(() => Promise.resolve(reply));
  const stream = await window.fetch("http://page/queue/data");
  end();
  const text = await heard(stream);
  assert.match(text, /broken_connection/);
  assert.match(text, /close_stream/);
});

test("a stream that says that it ends is passed on as it is", async () => {
  const { reply, send, end } = news();
  const window = page(() => Promise.resolve(reply));
  const stream = await window.fetch("http://page/queue/data");
  send({ msg: "close_stream" });
  end();
  assert.equal(await heard(stream), message({ msg: "close_stream" }));
});

test("what is asked tells when, and keeps its moment while it is asked again", async () => {
  const moments = [];
  const window = page(async (_url, { headers }) => {
    moments.push(Number(headers.get("x-asked-at")));
    return Response.json({ event_id: "a1" }, { status: moments.length < 2 ? 503 : 200 });
  });
  const before = performance.timeOrigin + performance.now();
  await window.fetch("http://page/queue/join", { method: "POST", headers: { kept: "yes" } });
  await window.fetch("http://page/run/predict", { method: "POST" });
  assert.equal(moments[0], moments[1]);
  assert.ok(before <= moments[1] && moments[1] < moments[2]);
});

test("what is asked for otherwise passes untouched", async () => {
  const answer = new Response("as it is");
  const window = page(() => Promise.resolve(answer));
  assert.equal(await window.fetch("http://page/config"), answer);
});

/** How often a key could have been heard before each of fifty pieces of news that come at once. */
async function chances(hidden) {
  const all = message({ msg: "process_generating", event_id: "a1" }).repeat(50);
  const window = page(() => Promise.resolve(new Response(all)), hidden);
  const stream = (await window.fetch("http://page/queue/data")).body.getReader();
  const before = [];
  let free = 0;
  const timer = setInterval(() => (free += 1), 0);
  while (before.length < 50) {
    await stream.read();
    before.push(free);
  }
  clearInterval(timer);
  return new Set(before).size;
}

test("between two pieces of news keys are heard, and out of sight nothing is waited for", async () => {
  assert.equal(await chances(true), 1);
  assert.ok(await chances(false) > 20);
});
