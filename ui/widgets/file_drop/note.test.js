import assert from "node:assert/strict";
import { test } from "node:test";

import { readNote } from "./note.js";

const NOTE = JSON.stringify({ model: "mnist-conditional", seed: 3, label: "λ" });
const bytes = (text) => [...new TextEncoder().encode(text)];
const number = (value) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);

function gif(note) {
  const pieces = [];
  const data = bytes(note);
  for (let at = 0; at < data.length; at += 255) {
    const piece = data.slice(at, at + 255);
    pieces.push(piece.length, ...piece);
  }
  const palette = Array(3 * 4).fill(0); // four colours, as its flags say
  return [...bytes("GIF89a"), 1, 0, 1, 0, 0x81, 0, 0, ...palette, 0x21, 0xfe, ...pieces, 0, 0x3b];
}

function chunk(kind, data) {
  return [...number(data.length), ...bytes(kind), ...data, 0, 0, 0, 0];
}

function png(...chunks) {
  return [0x89, ...bytes("PNG\r\n\x1a\n"), ...chunk("IHDR", Array(13).fill(0)), ...chunks.flat(),
    ...chunk("IEND", [])];
}

function box(kind, data) {
  return [...number(8 + data.length), ...Array.from(kind, (c) => c.charCodeAt(0)), ...data];
}

function mp4(note) {
  const data = box("data", [...Array(8).fill(0), ...bytes(note)]);
  const meta = box("meta", [0, 0, 0, 0, ...box("ilst", box("\xa9cmt", data))]);
  return [...box("ftyp", bytes("isom")), ...box("mdat", Array(9).fill(7)),
    ...box("moov", box("udta", meta))];
}

const read = (content) => readNote(new Blob([Uint8Array.from(content)]));

test("the note of a GIF is its comment, of any length", async () => {
  assert.equal(await read(gif(NOTE)), NOTE);
  assert.equal(await read(gif("x".repeat(20_000))), "x".repeat(20_000));
});

test("the note of a PNG is its description, in either kind of text", async () => {
  const description = bytes("Description\0");
  assert.equal(await read(png(chunk("iTXt", [...description, 0, 0, 0, 0, ...bytes(NOTE)]))), NOTE);
  assert.equal(await read(png(chunk("tEXt", [...description, ...bytes("plain")]))), "plain");
  assert.equal(await read(png(chunk("tEXt", bytes("Software\0other")))), "");
});

test("the note of an MP4 is its comment", async () => {
  assert.equal(await read(mp4(NOTE)), NOTE);
});

test("a file of another kind, or one that is cut short, is refused", async () => {
  await assert.rejects(read(bytes("hello, world, how are you")), TypeError);
  await assert.rejects(read(gif(NOTE).slice(0, 60)), RangeError);
  await assert.rejects(read(png().slice(0, -10)), RangeError);
});
