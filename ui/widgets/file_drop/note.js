// Reads the note in a GIF, PNG, WebP or MP4 file: what made it, as text.

const LARGEST = 2 ** 28; // bytes of a file
const DESCRIPTION = "Description\0";
const DUBLIN_CORE = "http://purl.org/dc/elements/1.1/";

/** Empty if there is none. Throws if a file is of another kind, too large or cut short. */
export async function readNote(file) {
  if (file.size > LARGEST) throw new RangeError("too large");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const head = latin(bytes.subarray(0, 16));
  if (head.startsWith("GIF8")) return noteOfGif(bytes);
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return noteOfPng(bytes);
  if (head.startsWith("RIFF") && head.slice(8, 12) === "WEBP") return noteOfWebp(bytes);
  if (head.slice(4, 8) === "ftyp") return noteOfMp4(bytes);
  throw new TypeError("no GIF, PNG, WebP or MP4");
}

// A comment before the first picture.
function noteOfGif(bytes) {
  const flags = bytes[10];
  let at = 13 + (flags & 0x80 ? 3 * (2 << (flags & 7)) : 0);
  while (bytes[at] === 0x21) {
    const isComment = bytes[at + 1] === 0xfe;
    const pieces = [];
    for (at += 2; bytes[at] !== 0; at += 1 + bytes[at]) {
      if (at >= bytes.length) throw new RangeError("the file ends too early");
      pieces.push(...bytes.subarray(at + 1, at + 1 + bytes[at]));
    }
    if (isComment) return utf8(Uint8Array.from(pieces));
    at += 1;
  }
  return "";
}

// A tEXt or iTXt chunk called Description, not compressed.
function noteOfPng(bytes) {
  for (let at = 8; at < bytes.length; at += 12 + big(bytes, at)) {
    const kind = latin(bytes.subarray(at + 4, at + 8));
    if (kind === "IEND") return "";
    const data = bytes.subarray(at + 8, at + 8 + big(bytes, at));
    const isText = kind === "tEXt" || kind === "iTXt";
    if (!isText || latin(data.subarray(0, DESCRIPTION.length)) !== DESCRIPTION) continue;
    const text = data.subarray(DESCRIPTION.length);
    if (kind === "tEXt") return latin(text);
    if (text[0] !== 0) return "";
    const language = text.indexOf(0, 2);
    return utf8(text.subarray(text.indexOf(0, language + 1) + 1));
  }
  return "";
}

// The description in its XMP packet.
function noteOfWebp(bytes) {
  const view = new DataView(bytes.buffer);
  for (let at = 12, length; at + 8 <= bytes.length; at += 8 + length + (length % 2)) {
    length = view.getUint32(at + 4, true);
    if (latin(bytes.subarray(at, at + 4)) !== "XMP ") continue;
    const text = utf8(bytes.subarray(at + 8, at + 8 + length));
    const packet = new DOMParser().parseFromString(text, "application/xml");
    return packet.getElementsByTagNameNS(DUBLIN_CORE, "description")[0]?.textContent.trim() ?? "";
  }
  return "";
}

// moov/udta/meta/ilst/©cmt/data
function noteOfMp4(bytes) {
  let inside = bytes;
  for (const name of ["moov", "udta", "meta", "ilst", "\xa9cmt", "data"]) {
    inside = boxOf(inside, name)?.subarray(name === "meta" ? 4 : 0); // its version
    if (!inside) return "";
  }
  return utf8(inside.subarray(8));
}

function boxOf(bytes, wanted) {
  for (let at = 0, length; at + 8 <= bytes.length; at += length) {
    length = big(bytes, at) || bytes.length - at; // 0: up to the end
    if (length < 8) return null; // of 4 GB or damaged
    if (latin(bytes.subarray(at + 4, at + 8)) === wanted) return bytes.subarray(at + 8, at + length);
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
