// Reads the note in a GIF, PNG, WebP or MP4 file: what made it, as text. Only the heads of its
// parts are read, and the part that holds the note, so that a file may be of any size. A note that
// is longer than any that is written here is a `LongNote`.

const WINDOW = 4096; // bytes read at a time
const LONGEST_NOTE = 2 ** 20; // bytes
const NAME_OF_NOTE = "Description";

export class LongNote extends Error {}

export async function readNote(file) {
  const read = readerOf(file);
  const head = latin(await read(0, Math.min(16, file.size)));
  if (head.startsWith("GIF8")) return noteOfGif(read);
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return noteOfPng(read, file.size);
  if (head.startsWith("RIFF") && head.slice(8, 12) === "WEBP") return noteOfWebp(read, file.size);
  if (head.slice(4, 8) === "ftyp") return noteOfMp4(read, file.size);
  throw new TypeError("no GIF, PNG, WebP or MP4");
}

function readerOf(file) {
  let start = 0;
  let bytes = new Uint8Array();
  return async (at, length) => {
    if (at < start || at + length > start + bytes.length) {
      start = at;
      const part = file.slice(at, at + Math.max(length, WINDOW));
      bytes = new Uint8Array(await part.arrayBuffer());
    }
    if (at - start + length > bytes.length) throw new RangeError("the file ends too early");
    return bytes.slice(at - start, at - start + length);
  };
}

// A comment before the first picture.
async function noteOfGif(read) {
  const flags = (await read(0, 13))[10];
  let at = 13 + (flags & 0x80 ? 3 * (2 << (flags & 7)) : 0);
  for (;;) {
    if ((await read(at, 1))[0] !== 0x21) return "";
    const isComment = (await read(at + 1, 1))[0] === 0xfe;
    const pieces = [];
    let length = 0;
    for (at += 2; ; ) {
      const [size] = await read(at, 1);
      at += 1;
      if (!size) break;
      length += size;
      if (isComment && length > LONGEST_NOTE) throw new LongNote();
      if (isComment) pieces.push(...(await read(at, size)));
      at += size;
    }
    if (isComment) return utf8(Uint8Array.from(pieces));
  }
}

// A tEXt or iTXt chunk called Description, not compressed.
async function noteOfPng(read, size) {
  for (let at = 8; at + 12 <= size; ) {
    const head = await read(at, 8);
    const [length, kind] = [big(head, 0), latin(head.subarray(4))];
    if (kind === "IEND") return "";
    const isText = (kind === "tEXt" || kind === "iTXt") && length > NAME_OF_NOTE.length;
    const end = NAME_OF_NOTE.length;
    if (isText && latin(await read(at + 8, end + 1)) === `${NAME_OF_NOTE}\0`) {
      if (length > LONGEST_NOTE + WINDOW) throw new LongNote();
      const data = await read(at + 8, length);
      if (kind === "tEXt") return latin(data.subarray(end + 1));
      if (data[end + 1] !== 0) return "";
      const language = data.indexOf(0, end + 3);
      return utf8(data.subarray(data.indexOf(0, language + 1) + 1));
    }
    at += 12 + length;
  }
  return "";
}

// The description in its XMP packet.
async function noteOfWebp(read, size) {
  for (let at = 12; at + 8 <= size; ) {
    const head = await read(at, 8);
    const length = head[4] + 256 * (head[5] + 256 * (head[6] + 256 * head[7]));
    if (latin(head.subarray(0, 4)) === "XMP ") {
      if (length > 8 * LONGEST_NOTE) throw new LongNote(); // escaped, a note is longer
      const text = utf8(await read(at + 8, length));
      const packet = new DOMParser().parseFromString(text, "application/xml");
      const dublinCore = "http://purl.org/dc/elements/1.1/";
      return packet.getElementsByTagNameNS(dublinCore, "description")[0]?.textContent.trim() ?? "";
    }
    at += 8 + length + (length % 2);
  }
  return "";
}

// moov/udta/meta/ilst/©cmt/data
async function noteOfMp4(read, size) {
  let inside = [0, size];
  for (const name of ["moov", "udta", "meta", "ilst", "\xa9cmt", "data"]) {
    inside = await boxOf(read, ...inside, name);
    if (!inside) return "";
    if (name === "meta") inside[0] += 4; // its version
  }
  const [from, to] = inside;
  if (to - from - 8 > LONGEST_NOTE) throw new LongNote();
  return utf8(await read(from + 8, Math.max(0, to - from - 8)));
}

async function boxOf(read, from, to, wanted) {
  for (let at = from; at + 8 <= to; ) {
    const head = await read(at, 8);
    let [length, start] = [big(head, 0), at + 8];
    if (length === 0) length = to - at;
    else if (length === 1) {
      const long = await read(at + 8, 8);
      [length, start] = [big(long, 0) * 2 ** 32 + big(long, 4), at + 16];
    }
    if (length < start - at) return null;
    if (latin(head.subarray(4)) === wanted) return [start, Math.min(to, at + length)];
    at += length;
  }
  return null;
}

function big(bytes, at) {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

function latin(bytes) {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function utf8(bytes) {
  return new TextDecoder().decode(bytes);
}
