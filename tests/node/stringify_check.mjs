// Judges bodies by what JavaScript itself makes of the published JSON.
//
// Reads a file of records: one byte of kind, then two texts, each behind its length in bytes (32 bits, little endian).
//   d  published payload, body    the body is what JSON.stringify would write, and is stable
//   o  published payload, body    the same values; JSON.stringify may order the members otherwise (array-index keys)
//   n  published number, written  the rule for numbers, stated here a second time
// Prints one line of counts; exits 1 with the first mismatches if there are any.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const file = readFileSync(process.argv[2]);
const head = '{"event_type":"call.ended",';
const tail = '"timestamp":"2026-03-02T09:18:41Z"}';
const counts = { d: 0, o: 0, n: 0 };
const problems = [];

function bodyOf(payload) {
  const members = JSON.stringify(payload).slice(1, -1);
  return head + (members === '' ? '' : members + ',') + tail;
}

// The value of a decimal text: its digits without zeros around them, and where the point is.
function value(text) {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const point = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length);
  return `${sign}0.${significant}e${point}`;
}

function numberAsWritten(text) {
  const number = Number(text);
  if (!Number.isFinite(number)) return text;
  const printed = JSON.stringify(number);
  return value(printed) === value(text) ? printed : text;
}

const checks = {
  d(published, body) {
    if (body !== bodyOf(JSON.parse(published))) return 'is not what JSON.stringify makes of the payload';
    if (body !== JSON.stringify(JSON.parse(body))) return 'is not stable';
  },
  o(published, body) {
    const { event_type, timestamp, ...payload } = JSON.parse(body);
    if (!isDeepStrictEqual(payload, JSON.parse(published))) return 'has other values than the payload';
    if (body.length !== JSON.stringify(JSON.parse(body)).length) return 'differs by more than order';
  },
  n(published, written) {
    if (written !== numberAsWritten(published)) return `should be ${numberAsWritten(published)}`;
    if (!Object.is(JSON.parse(written), JSON.parse(published)) && Number(published) !== 0) return 'is another number';
  },
};

let at = 0;
function text() {
  const length = file.readUInt32LE(at);
  at += 4 + length;
  return decoder.decode(file.subarray(at - length, at));
}
while (at < file.length) {
  const kind = String.fromCharCode(file[at++]);
  const published = text();
  const written = text();
  counts[kind]++;
  const problem = checks[kind](published, written);
  if (problem) problems.push(`${kind}: ${problem}\n  published: ${published}\n  written:   ${written}`);
}
for (const problem of problems.slice(0, 10)) console.log(problem.slice(0, 4000));
if (problems.length > 0) console.log(`${problems.length} mismatches`);
console.log(`checked ${counts.d} documents, ${counts.o} reordered, ${counts.n} numbers`);
process.exitCode = problems.length > 0 ? 1 : 0;
