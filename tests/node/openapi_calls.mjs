// Makes every call of the OpenAPI document to a running daemon, receives what it delivers, and holds every answer and
// every delivery to the document. At the end each operation must have given each answer that it documents, but for
// those that nobody can provoke.
//
// Reads a JSON file: {"url": where the daemon is, "key": its platform key}.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { Contract } from './openapi_contract.mjs';

const told = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { hostname, port } = new URL(told.url);
const account = 'acct_openapi';
const bodyBytesMax = 1048576; // as the daemon was told

const problems = [];
const seen = new Map(); // operation → statuses
let contract;
let calls = 0;
let deliveries = 0;

const problem = (where, what) => problems.push(`${where}: ${what}`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

let lastLook; // what a condition saw last, for people

async function eventually(what, condition) {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(30)) {
    const found = await condition();
    if (found) return found;
  }
  problem(what, `did not happen: ${JSON.stringify(lastLook)}`);
  finish();
}

function finish() {
  for (const each of problems.slice(0, 40)) console.log(each);
  console.log(`${calls} answers and ${deliveries} deliveries checked, ${seen.size} operations: ${problems.length} problems`);
  process.exit(problems.length > 0 ? 1 : 0);
}

// --- calls -------------------------------------------------------------------------------------------------------------

/// Sends the bytes as they are and reads one answer. `onInterim`: called when the daemon asks for the body.
function exchange(bytes, { headOnly = false, onInterim } = {}) {
  return new Promise((done, failed) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(bytes));
    let got = Buffer.alloc(0);
    socket.setTimeout(20_000, () => failed(new Error('no answer came')) || socket.destroy());
    socket.on('error', failed);
    const look = (ended) => {
      const head = got.indexOf('\r\n\r\n');
      if (head < 0) return ended && failed(new Error(`the connection ended: ${got}`));
      const [line, ...fields] = got.subarray(0, head).toString('latin1').split('\r\n');
      const status = Number(line.split(' ')[1]);
      if (status === 100) {
        got = got.subarray(head + 4);
        onInterim?.(socket);
        return look(ended);
      }
      const headers = {};
      for (const field of fields) {
        const colon = field.indexOf(':');
        headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim();
      }
      const length = headOnly || status === 204 ? 0 : Number(headers['content-length'] ?? 0);
      const body = got.subarray(head + 4);
      if (body.length < length && !ended) return;
      socket.destroy();
      done({ status, headers, body: body.subarray(0, length).toString('utf8') });
    };
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      look(false);
    });
    socket.on('end', () => look(true));
  });
}

function requestText(method, target, { key, headers = {}, body, length } = {}) {
  const fields = { Host: hostname, Connection: 'close' };
  if (key) fields.Authorization = `Bearer ${key}`;
  if (body !== undefined) fields['Content-Type'] = 'application/json';
  const bytes = length ?? (body === undefined ? undefined : Buffer.byteLength(body));
  if (bytes !== undefined) fields['Content-Length'] = bytes;
  const head = Object.entries({ ...fields, ...headers }).filter(([, value]) => value !== undefined);
  return `${method} ${target} HTTP/1.1\r\n${head.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n${body ?? ''}`;
}

const fresh = () => '019a0000-0000-7000-8000-' + Math.random().toString(16).slice(2, 14).padEnd(12, '0');

/// The path of "GET /api/v1/webhooks/{id}" with its parameters filled in.
function targetOf(name, { id, event_type, query = '' } = {}) {
  const path = name.split(' ')[1].replace('{id}', id ?? fresh()).replace('{event_type}', event_type ?? 'no.such_type');
  return path + (query && '?' + query);
}

const takesBody = (name) => /^(post|patch) /i.test(name);

function judge(name, method, target, answer) {
  calls++;
  if (!seen.has(name)) seen.set(name, new Set());
  seen.get(name).add(String(answer.status));
  for (const what of contract.check({ method, path: target, ...answer }))
    problem(`${method} ${target} → ${answer.status}`, what);
}

/// A call of the document that is to be answered with `expected`.
async function call(name, expected, how = {}) {
  const [method] = name.split(' ');
  const target = targetOf(name, how);
  const body = how.body === undefined || typeof how.body === 'string' ? how.body : JSON.stringify(how.body);
  const text = how.text ?? requestText(method, target, { ...how, body });
  const answer = await exchange(text, how);
  judge(name, method, target, answer);
  if (answer.status !== expected)
    problem(`${method} ${target}`, `${answer.status} instead of ${expected}: ${answer.body.slice(0, 500)}`);
  if (expected < 300 && typeof how.body === 'object') {
    const operation = contract.operations.find((o) => o.name === name);
    const wrong = contract.judge([...operation.pointer, 'requestBody', 'content', 'application/json', 'schema'], how.body);
    if (wrong) problem(`${method} ${target}`, `what was taken is not as the document says: ${wrong}`);
  }
  answer.json = answer.headers['content-type']?.startsWith('application/json') ? JSON.parse(answer.body) : undefined;
  return answer;
}

// --- the receiver -------------------------------------------------------------------------------------------------------

const received = []; // {path, event, body}
function checkDelivery(request, body) {
  deliveries++;
  const event = request.headers['x-klen-event'];
  const place = ['webhooks', contract.document.webhooks[event] ? event : 'call.started', 'post'];
  const where = `delivery of ${event}`;
  for (const i of contract.at([...place, 'parameters']).value.keys()) {
    const parameter = contract.at([...place, 'parameters', i]);
    const given = request.headers[parameter.value.name.toLowerCase()];
    if (given === undefined) {
      if (parameter.value.required) problem(where, `${parameter.value.name} is missing`);
      continue;
    }
    const wrong = contract.judge([...parameter.pointer, 'schema'], given);
    if (wrong) problem(where, `${parameter.value.name}: ${wrong}`);
  }
  if (!contract.document.webhooks[event]) return;
  const wrong = contract.judge([...place, 'requestBody', 'content', 'application/json', 'schema'], JSON.parse(body));
  if (wrong) problem(where, `${wrong}, in ${body}`);
}

const answers = { '/ok': 200, '/bad': 503, '/gone': 410 };
const receiver = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    checkDelivery(request, body);
    received.push({ path: request.url, event: request.headers['x-klen-event'], body: JSON.parse(body) });
    response.writeHead(answers[request.url] ?? 404, { 'Content-Type': 'text/plain', 'Retry-After': '0' });
    response.end('so it is\n');
  });
});
await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
const receiverUrl = `http://127.0.0.1:${receiver.address().port}`;

/// Where nobody listens.
async function nobodysUrl() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${server.address().port}`;
  await new Promise((done) => server.close(done));
  return url;
}

// --- what goes well ------------------------------------------------------------------------------------------------------

const platform = told.key;
let key;     // of the account, with every permission
let keyId;
const v1 = '/api/v1';

async function operations() {
  const document = await exchange(requestText('GET', `${v1}/openapi.json`));
  contract = new Contract(JSON.parse(document.body));
  await call(`GET ${v1}/openapi.json`, 200);
  for (const path of ['/livez', '/healthz', '/readyz', '/metrics']) await call(`GET ${path}`, 200);
  await call('GET /readyz', 200, { query: 'verbose' });
}

async function keys() {
  const made = await call(`POST ${v1}/keys`, 201, { key: platform, body: { name: 'all', account_id: account, max_requests_per_second: 100000 } });
  key = made.json.key;
  keyId = made.json.id;
  const draft = { name: 'second', permissions: ['publish', 'read'], max_requests_per_second: null };
  await replayed(`POST ${v1}/keys`, 201, { key, body: draft }, { ...draft, name: 'other' });
  await call(`POST ${v1}/keys`, 201, { key: platform, body: { name: 'of the platform', platform: true, permissions: ['read'] } });
  await call(`POST ${v1}/keys`, 400, { key: platform, body: { name: 'whose?' } });
  await call(`POST ${v1}/keys`, 403, { key, body: { name: 'x', platform: true } });
  const second = await call(`POST ${v1}/keys`, 201, { key, body: { name: 'to be revoked' } });
  const third = await call(`POST ${v1}/keys`, 201, { key, body: { name: 'to be revoked, too' } });
  await call(`GET ${v1}/keys`, 200, { key });
  await call(`GET ${v1}/keys`, 200, { key: platform, query: 'limit=2&page=1' });
  await call(`GET ${v1}/keys/{id}`, 200, { key, id: second.json.id });
  await call(`DELETE ${v1}/keys/{id}`, 200, { key, id: second.json.id });
  await call(`POST ${v1}/keys/{id}/revoke`, 200, { key, id: third.json.id });
  await call(`DELETE ${v1}/keys/{id}`, 409, { key, id: keyId });
  await call(`POST ${v1}/keys/{id}/revoke`, 409, { key, id: keyId });
  await call(`GET ${v1}/whoami`, 200, { key });
  await call(`GET ${v1}/whoami`, 200, { key: platform });
  await call(`GET ${v1}/whoami`, 401, { key: third.json.key });
}

/// A creating call, its repeat, and another one with the same Idempotency-Key.
async function replayed(name, status, how, otherBody) {
  const headers = { 'Idempotency-Key': `key-${Math.random()}` };
  const first = await call(name, status, { ...how, headers });
  const again = await call(name, status, { ...how, headers });
  if (again.body !== first.body || again.headers['idempotency-replayed'] !== 'true')
    problem(name, `was not replayed: ${again.body}`);
  const other = otherBody === undefined ? { query: `account_id=${account}` } : { body: otherBody };
  await call(name, 409, { ...how, ...other, headers });
  return first;
}

async function makeWebhook(path, events, more = {}, how = {}) {
  const body = { name: `at ${path}`, url: receiverUrl + path, subscribed_events: events, ...more };
  return (await call(`POST ${v1}/webhooks`, 201, { key, ...how, body })).json;
}

async function webhooks() {
  const draft = { name: 'all', url: `${receiverUrl}/ok`, subscribed_events: ['call.*', 'calendar.*'], description: 'lines\nof it',
                  headers: { 'X-Tenant': '42' }, metadata: { team: 'sales', size: 1e3 }, max_concurrency: null, enabled: true };
  const made = await replayed(`POST ${v1}/webhooks`, 201, { key, body: draft }, { ...draft, name: 'other' });
  await replayed('POST /api/webhooks/create', 201, { key, body: { ...draft, enabled: false, disabled_note: 'later' } }, draft);
  const id = made.json.id;
  const one = `${v1}/webhooks/{id}`;
  for (const query of ['', 'page=1&limit=1', 'enabled=true', 'event_type=call.ended', 'q=ALL', `account_id=${account}`])
    await call(`GET ${v1}/webhooks`, 200, { key, query });
  await call(`GET ${v1}/webhooks`, 200, { key: platform });
  for (const query of ['page=0', 'limit=201', 'enabled=perhaps', 'event_type=x', 'nobody=1'])
    await call(`GET ${v1}/webhooks`, 400, { key, query });
  await call(`GET ${one}`, 200, { key, id });
  await call(`PATCH ${one}`, 200, { key, id, body: {} });
  await call(`PATCH ${one}`, 200, { key, id, body: { name: 'new', max_rate_per_second: 100, max_concurrency: 4, metadata: {} } });
  await call(`PATCH ${one}`, 200, { key, id, body: { max_rate_per_second: null, description: '' } });
  for (const body of [{ name: null }, { nobody: 1 }, { url: 'ftp://a' }, { url: 'http://169.254.169.254/' }, { disabled_note: 'x' }, [], '{'])
    await call(`PATCH ${one}`, 400, { key, id, body });
  await call(`POST ${one}/disable`, 200, { key, id, body: { note: 'moving house' } });
  await call(`POST ${one}/disable`, 200, { key, id });
  await call(`POST ${one}/enable`, 200, { key, id });
  await call(`GET ${one}/secret`, 200, { key, id });
  await replayed(`POST ${one}/rotate-secret`, 200, { key, id, body: { grace_period_hours: 1.5 } }, {});
  await call(`POST ${one}/rotate-secret`, 200, { key, id });
  await call(`GET ${one}/secret`, 200, { key, id });
  await replayed(`POST ${one}/test`, 200, { key, id, body: {} }, { event_type: 'call.ended' });
  const dead = await makeWebhook('/bad', ['call.failed'], { url: `${await nobodysUrl()}/` });
  await call(`POST ${one}/test`, 200, { key, id: dead.id });
  await call(`DELETE ${one}`, 200, { key, id: dead.id });
  return id;
}

async function publishing(id) {
  const types = (await call(`GET ${v1}/event-types`, 200, { key, query: 'limit=100' })).json.event_types;
  const samples = types.filter((t) => t.built_in && /^(call|calendar)\./.test(t.event_type)).map((t) => t.sample);
  if (samples.length !== 11) problem('event types', `${samples.length} samples`);
  for (const sample of samples) {
    await call(`POST ${v1}/webhooks/{id}/test`, 200, { key, id, body: { event_type: sample.event_type } });
    await call(`POST ${v1}/events`, 202, { key, body: { ...sample, account_id: account } });
  }
  const event = { event_type: 'call.ended', payload: { call: { id: 7, klen_call_id: 'c', status: 's', type: 't', summary: null, duration: 1, contact: null } } };
  const traced = { ...event, account_id: account, id: 'one', timestamp: '2026-03-02T10:18:41+01:00', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
  const first = await call(`POST ${v1}/events`, 202, { key: platform, body: traced });
  await call(`POST ${v1}/events`, 202, { key: platform, body: traced });
  await call(`POST ${v1}/events`, 409, { key: platform, body: { ...traced, payload: {} } });
  await call(`POST ${v1}/events`, 202, { key, body: event, headers: { 'Idempotency-Key': 'two' } });
  await call(`POST ${v1}/events`, 400, { key, body: { ...event, id: 'three' }, headers: { 'Idempotency-Key': 'four' } });
  await call(`POST ${v1}/events`, 400, { key, body: [event], headers: { 'Idempotency-Key': 'five' } });
  await call(`POST ${v1}/events`, 202, { key, body: `[${JSON.stringify(event)},{"event_type":7}]` });
  await call(`POST ${v1}/events`, 413, { key, body: { ...event, payload: { long: 'x'.repeat(70_000) } } });
  for (const body of ['{', '{}', '[]', '[{}]', '7', { ...event, event_type: 'webhook.disabled' }, { ...event, event_type: 'no.such' }, { ...event, payload: { event_type: 'x' } }])
    await call(`POST ${v1}/events`, 400, { key, body });
  await eventually('deliveries to /ok', () => received.filter((d) => d.path === '/ok').length >= 25);
  return first.json.id;
}

async function history(id, event) {
  const list = `GET ${v1}/webhooks/{id}/deliveries`;
  const all = await eventually('recorded deliveries', async () => {
    const got = await call(list, 200, { key, id, query: 'status=delivered&limit=200' });
    return got.json.deliveries.length >= 13 && got.json.deliveries;
  });
  const part = await call(list, 200, { key, id, query: 'limit=1' });
  await call(list, 200, { key, id, query: `limit=1&cursor=${part.json.next_cursor}` });
  for (const query of ['status=pending,failed', 'event_type=call.ended', 'error_class=timeout', 'since=2026-01-01T00:00:00Z', 'until=2026-01-01T00:00:00%2B01:00', `account_id=${account}`])
    await call(list, 200, { key, id, query });
  for (const query of ['page=2', 'cursor=x', 'status=lost', 'error_class=none', 'since=yesterday', 'limit=0'])
    await call(list, 400, { key, id, query });
  await call(`GET ${v1}/deliveries/{id}`, 200, { key, id: all[0].id });
  for (const query of ['', 'limit=2', 'event_type=call.ended&since=2026-01-01T00:00:00Z']) await call(`GET ${v1}/events`, 200, { key, query });
  const newest = await call(`GET ${v1}/events`, 200, { key, query: 'limit=1' });
  await call(`GET ${v1}/events`, 200, { key, query: `limit=1&cursor=${newest.json.next_cursor}` });
  await call(`GET ${v1}/events`, 400, { key: platform });
  await call(`GET ${v1}/events/{id}`, 200, { key, id: event });
  await call(`GET ${v1}/events/{id}`, 200, { key: platform, id: event, query: `account_id=${account}` });
  for (const query of ['', 'status=delivered', 'error_class=timeout', 'limit=1']) await call(`GET ${v1}/events/{id}/deliveries`, 200, { key, id: event, query });
  await call(`GET ${v1}/events/{id}`, 200, { key, id: event, query: 'limit=1' });
  for (const query of ['page=2', 'cursor=x', 'limit=201']) {
    await call(`GET ${v1}/events/{id}/deliveries`, 400, { key, id: event, query });
    await call(`GET ${v1}/events/{id}`, 400, { key, id: event, query });
  }
  return all[0].id;
}

async function publishOne(event_type) {
  const sample = (await call(`GET ${v1}/event-types/{event_type}`, 200, { key, event_type })).json.sample;
  return (await call(`POST ${v1}/events`, 202, { key, body: { ...sample, account_id: account } })).json.id;
}

async function failures() {
  const watch = await makeWebhook('/ok', ['webhook.*', 'delivery.*'], { account_id: 'platform' }, { key: platform });
  const bad = await makeWebhook('/bad', ['call.failed']);
  const event = await publishOne('call.failed');
  const deliveryOf = async (of, webhook) =>
    (await call(`GET ${v1}/events/{id}/deliveries`, 200, { key, id: of })).json.deliveries.find((d) => d.webhook_id === webhook);
  const failed = await eventually('a failed delivery', async () => {
    const found = await deliveryOf(event, bad.id);
    return found?.status === 'failed' && found;
  });
  await call(`GET ${v1}/deliveries/{id}`, 200, { key, id: failed.id });
  await eventually('delivery.exhausted', () => received.some((d) => d.event === 'delivery.exhausted'));
  const delivery = `${v1}/deliveries/{id}`;
  await call(`POST ${delivery}/cancel`, 409, { key, id: failed.id });
  const resent = await replayed(`POST ${delivery}/resend`, 202, { key, id: failed.id });
  await eventually('the resent attempt', async () => (await call(`GET ${delivery}`, 200, { key, id: failed.id })).json.attempts_made === 3);
  const newest = await call(`GET ${delivery}`, 200, { key, id: failed.id, query: 'limit=1' });
  const before = await call(`GET ${delivery}`, 200, { key, id: failed.id, query: `limit=100&cursor=${newest.json.next_cursor}` });
  if (newest.json.attempts[0].attempt !== 3 || before.json.attempts.length !== 2) problem('attempts', 'not part by part');
  for (const query of ['page=2', 'cursor=x', 'limit=101']) await call(`GET ${delivery}`, 400, { key, id: failed.id, query });
  if (resent.json.id !== failed.id) problem('resend', 'another id');

  const since = { since: '2026-01-01T00:00:00Z', until: null, never_attempted: true };
  const recover = `POST ${v1}/webhooks/{id}/recover`;
  const job = await replayed(recover, 202, { key, id: bad.id, body: since }, { since: since.since });
  await eventually('the end of a job', async () => {
    const now = (await call(`GET ${v1}/jobs/{id}`, 200, { key, id: job.json.id })).json;
    return now.state === 'done' ? now : void (lastLook = now);
  });
  await call(`GET ${v1}/webhooks/{id}/jobs`, 200, { key, id: bad.id, query: 'limit=10' });
  for (const body of [{}, { since: 'then' }, { since: '2999-01-01T00:00:00Z' }, { ...since, nobody: 1 }]) await call(recover, 400, { key, id: bad.id, body });

  // What is pending waits while its webhook is disabled: then it can be cancelled at leisure.
  await eventually('a delivery that waits', async () => {
    await call(`POST ${v1}/webhooks/{id}/enable`, 200, { key, id: bad.id });
    const late = await publishOne('call.failed');
    await eventually('its first attempt', async () => (await deliveryOf(late, bad.id))?.attempts_made > 0);
    await call(`POST ${v1}/webhooks/{id}/disable`, 200, { key, id: bad.id, body: {} });
    await sleep(300); // for an attempt that began before
    const found = await deliveryOf(late, bad.id);
    if (found.status !== 'pending') return false;
    await call(`POST ${delivery}/resend`, 409, { key, id: found.id });
    await call(recover, 409, { key, id: bad.id, body: since });
    return (await call(`POST ${delivery}/cancel`, 200, { key, id: found.id })).status === 200;
  });
  await replayed(`POST ${v1}/webhooks/{id}/cancel-pending`, 202, { key, id: bad.id });
  await call(`GET ${v1}/webhooks/{id}`, 200, { key, id: bad.id });

  const gone = await makeWebhook('/gone', ['call.failed']);
  await publishOne('call.failed');
  await eventually('webhook.disabled', () => received.some((d) => d.event === 'webhook.disabled'));
  await call(`GET ${v1}/webhooks/{id}`, 200, { key, id: gone.id });
  await call(`DELETE ${v1}/webhooks/{id}`, 200, { key, id: gone.id });
  await call(`POST ${v1}/webhooks/{id}/delete`, 200, { key, id: bad.id });
  await call(`DELETE ${v1}/webhooks/{id}`, 200, { key: platform, id: watch.id, query: 'account_id=platform' });
}

async function eventTypes() {
  const one = `${v1}/event-types/{event_type}`;
  const draft = { event_type: 'invoice.paid', description: 'Paid.', sample: { invoice: { number: '7' } } };
  await replayed(`POST ${v1}/event-types`, 201, { key: platform, body: draft }, { event_type: 'invoice.sent' });
  await call(`POST ${v1}/event-types`, 409, { key: platform, body: { event_type: 'call.ended' } });
  for (const body of [{ event_type: 'x' }, { event_type: 'a.b', sample: { timestamp: 1 } }, { event_type: 'a.b', nobody: 1 }])
    await call(`POST ${v1}/event-types`, 400, { key: platform, body });
  await call(`PATCH ${one}`, 200, { key: platform, event_type: 'invoice.paid', body: { description: 'Paid in full.' } });
  await call(`PATCH ${one}`, 409, { key: platform, event_type: 'call.ended', body: { description: 'x' } });
  await call(`PATCH ${one}`, 400, { key: platform, event_type: 'invoice.paid', body: { description: null } });
  await call(`GET ${one}`, 200, { key, event_type: 'invoice.paid' });
  await call(`GET ${one}`, 200, { key, event_type: 'only.configured' });
  await call(`DELETE ${one}`, 409, { key: platform, event_type: 'call.ended' });
  await call(`DELETE ${one}`, 200, { key: platform, event_type: 'invoice.paid' });
}

// --- what is refused ----------------------------------------------------------------------------------------------------

const permissions = ['publish', 'read', 'manage_webhooks', 'manage_keys'];

/// A body that the call takes: the document's own example.
function exampleOf(operation) {
  const content = contract.at([...operation.pointer, 'requestBody', 'content', 'application/json']).value;
  const example = content?.example ?? Object.values(content?.examples ?? {})[0]?.value;
  return example && JSON.stringify(example).replaceAll('acct_demo', account);
}

async function refusals() {
  const lacking = {};
  for (const one of permissions)
    lacking[one] = (await call(`POST ${v1}/keys`, 201, { key, body: { name: `lacks ${one}`, permissions: permissions.filter((p) => p !== one) } })).json.key;
  const slow = (await call(`POST ${v1}/keys`, 201, { key: platform, body: { name: 'slow', platform: true, max_requests_per_second: 1 } })).json.key;
  for (const operation of contract.operations) {
    const { name, method } = operation;
    const it = contract.at(operation.pointer).value;
    const permission = it['x-permission'];
    const mine = permission && (it['x-platform-only'] ? platform : key);
    const takesBody = method === 'post' || method === 'patch';
    const body = exampleOf(operation);
    const verb = method.toUpperCase();
    const target = targetOf(name);
    const field = permission ? `Authorization: Bearer ${mine}\r\n` : '';

    const wrongTwice = `${verb} ${target} HTTP/1.1\r\nHost: a\r\nHost: b\r\n${field}\r\n`;
    await call(name, 400, { text: wrongTwice });
    if (permission) {
      await call(name, 400, { key: mine, query: 'nobody=1', body });
      await call(name, 401, { body });
      await call(name, 401, { key: 'klen_x', body });
      if (permission !== '*') await call(name, 403, { key: lacking[permission], body });
      if (it['x-platform-only']) await call(name, 403, { key, body });
      for (let i = 0; i < 20 && !seen.get(name).has('429'); i++) await tried(name, { key: slow, body });
    }
    if (name.includes('{')) await call(name, 404, { key: mine, body });
    await call(name, 413, { key: mine, length: 2 * bodyBytesMax, headers: { Expect: '100-continue', 'Content-Type': 'application/json' } });
    if (takesBody) {
      await call(name, 415, { key: mine, body: '{}', headers: { 'Content-Type': 'text/plain' } });
      await call(name, 415, { key: mine, body: '{}', headers: { 'Content-Encoding': 'br' } });
    }
    await call(name, 417, { key: mine, headers: { Expect: 'a miracle' } });
    await call(name, 431, { key: mine, headers: { 'X-Long': 'x'.repeat(200_000) } });
    if (method === 'get') await checkHead(name, mine);
  }
  const all = contract.operations.map((operation) => {
    const it = contract.at(operation.pointer).value;
    return { name: operation.name, key: it['x-permission'] && (it['x-platform-only'] ? platform : key) };
  });
  // A body that never comes.
  await Promise.all(all.map(({ name, key: mine }) => call(name, 408, { key: mine, length: 10, headers: { 'Content-Type': 'application/json' } })));
  // While one body has all the room there is, there is none for others.
  const held = exchange(requestText('POST', `${v1}/events`, { key, length: bodyBytesMax, body: 'x'.repeat(bodyBytesMax - 1) }));
  const withBody = all.filter(({ name }) => takesBody(name));
  const probe = requestText('POST', `${v1}/events`, { key, body: '{}' });
  while ((await exchange(probe)).status !== 503); // it is not there yet
  await Promise.all(withBody.map(({ name, key: mine }) => call(name, 503, { key: mine, body: '{"and":"so on"}' })));
  await held;
}

/// A call that may be answered in any documented way.
async function tried(name, how) {
  const [method] = name.split(' ');
  const target = targetOf(name, how);
  judge(name, method, target, await exchange(requestText(method, target, how)));
}

async function checkHead(name, mine) {
  const target = targetOf(name);
  judge(name, 'HEAD', target, await exchange(requestText('HEAD', target, { key: mine }), { headOnly: true }));
}

/// Paths and methods that are not in the document.
async function strangers() {
  for (const path of [...new Set(contract.operations.map((o) => o.path)), '/', '/api/v1/nothing', '/api/v1/webhooks/a/b/c']) {
    const target = targetOf(`GET ${path}`);
    for (const method of ['PUT', 'PATCH', 'DELETE', 'POST', 'TRACE', 'OPTIONS', 'BREW']) {
      if (contract.find(method, target)) continue;
      const answer = await exchange(requestText(method, target, { key }));
      calls++;
      for (const what of contract.check({ method, path: target, ...answer })) problem(`${method} ${target} → ${answer.status}`, what);
    }
  }
}

function judgeCoverage() {
  for (const operation of contract.operations) {
    // Without a body only a database that is away makes a 503, and it is not taken away here.
    const unseen = takesBody(operation.name) ? ['500'] : ['500', '503'];
    const documented = Object.keys(contract.at([...operation.pointer, 'responses']).value).filter((s) => !unseen.includes(s));
    const missing = documented.filter((status) => !seen.get(operation.name)?.has(status));
    if (missing.length > 0) problem(operation.name, `never answered with ${missing.join(', ')}`);
  }
  for (const event of Object.keys(contract.document.webhooks))
    if (event !== 'webhook.failing' /* takes a minute */ && !received.some((d) => d.event === event)) problem(event, 'was never delivered');
}

try {
  await operations();
  await keys();
  const webhook = await webhooks();
  const event = await publishing(webhook);
  await history(webhook, event);
  await failures();
  await eventTypes();
  await refusals();
  await strangers();
  judgeCoverage();
} catch (error) {
  problem('the calls', error.stack);
}
finish();
