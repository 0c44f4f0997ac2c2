// Verifies signatures with libraries that this project did not write, as a receiver would; refuses tampered ones; and
// prints what those libraries would sign, for the other side to verify.
//
// Reads a file of JSON lines: {"id","timestamp","body","klen","standard","secrets":[newest first]}.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';

let libraries;
try {
  const standardwebhooks = await import('standardwebhooks');
  const svix = await import('svix');
  libraries = { standardwebhooks: standardwebhooks.Webhook, svix: svix.Webhook };
} catch (error) {
  console.log(`The libraries are not installed: run scripts/test, or "npm ci" in tests/node (${error.code})`);
  process.exit(3);
}

const problems = [];
function expect(holds, message) {
  if (!holds) problems.push(message);
}

function accepts(Library, secret, body, headers) {
  try {
    new Library(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error.constructor.name !== 'WebhookVerificationError') throw error;
    return false;
  }
}

function klenAccepts(secret, body, signature) {
  const expected = createHmac('sha256', secret).update(body, 'utf8').digest();
  const given = Buffer.from(signature, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function flip(text, at) {
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
}

let checked = 0;
for (const line of readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean)) {
  const { id, timestamp, body, klen, standard, secrets } = JSON.parse(line);
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': standard };
  const stranger = 'whsec_' + Buffer.alloc(32, 7).toString('base64');
  const [newest] = secrets;
  checked++;

  expect(/^[0-9a-f]{64}$/.test(klen), `${id}: the form of X-Klen-Signature`);
  expect(klenAccepts(newest, body, klen), `${id}: X-Klen-Signature was refused`);
  expect(!klenAccepts(newest, body + ' ', klen), `${id}: X-Klen-Signature over a changed body was taken`);
  expect(!klenAccepts(stranger, body, klen), `${id}: X-Klen-Signature was taken with another secret`);

  for (const [name, Library] of Object.entries(libraries)) {
    for (const secret of secrets) {
      expect(accepts(Library, secret, body, headers), `${id}: ${name} refused the signature`);
      expect(accepts(Library, secret, Buffer.from(body), headers), `${id}: ${name} refused it over bytes`);
      const tampered = {
        body: [body.replace('{', '{ '), headers],
        id: [body, { ...headers, 'webhook-id': id + 'x' }],
        timestamp: [body, { ...headers, 'webhook-timestamp': String(Number(timestamp) + 1) }],
        signature: [body, { ...headers, 'webhook-signature': standard.split(' ').map((s) => flip(s, 10)).join(' ') }],
        version: [body, { ...headers, 'webhook-signature': standard.replaceAll('v1,', 'v2,') }],
      };
      for (const [what, [text, changed]] of Object.entries(tampered))
        expect(!accepts(Library, secret, text, changed), `${id}: ${name} took a changed ${what}`);
    }
    expect(!accepts(Library, stranger, body, headers), `${id}: ${name} took it with another secret`);
    const made = new Library(newest).sign(id, new Date(Number(timestamp) * 1000), body);
    console.log(`signed ${id} ${made}`);
  }
}
for (const problem of problems.slice(0, 10)) console.log(problem);
console.log(`checked ${checked} deliveries, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
