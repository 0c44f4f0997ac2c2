// The OpenAPI document as a judge of responses.
import { readFileSync } from 'node:fs';

let Ajv, addFormats;
try {
  ({ default: Ajv } = await import('ajv/dist/2020.js'));
  ({ default: { default: addFormats } } = await import('ajv-formats'));
} catch (error) {
  console.log(`The libraries are not installed: run scripts/test, or "npm ci" in tests/node (${error.code})`);
  process.exit(3);
}

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];
const escaped = (text) => text.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('%', '%25');

export class Contract {
  constructor(document) {
    this.document = document;
    this.ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
    addFormats(this.ajv);
    this.ajv.addVocabulary(Object.keys(document)); // references lead through the document's root
    this.ajv.addSchema(document, 'openapi', undefined, false);
    this.operations = [];
    for (const [path, item] of Object.entries(document.paths)) {
      const pattern = new RegExp('^' + path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '([^/]+)') + '$');
      for (const method of methods.filter((m) => item[m]))
        this.operations.push({ name: `${method.toUpperCase()} ${path}`, method, path, pattern, item,
                               pointer: ['paths', path, method] });
    }
  }

  static from(file) {
    return new Contract(JSON.parse(readFileSync(file, 'utf8')));
  }

  /// What is at a place of the document, and where it really is: references are followed.
  at(pointer) {
    let here = this.document;
    let place = [];
    for (const step of pointer) {
      here = here?.[step];
      place.push(step);
      while (here?.$ref) {
        place = here.$ref.slice(2).split('/').map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'));
        here = this.at(place).value;
      }
    }
    return { value: here, pointer: place };
  }

  /// What is wrong with a value by the schema at `pointer`; empty: nothing.
  judge(pointer, value) {
    const validate = this.ajv.compile({ $ref: 'openapi#/' + pointer.map(escaped).join('/') });
    if (validate(value)) return '';
    return validate.errors.map((e) => `${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`).join('; ');
  }

  pathOf(target) {
    const path = decodeURI(target.split('?')[0]);
    return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  }

  /// The operation that a call belongs to; none: the document has no such call.
  find(method, target) {
    const path = this.pathOf(target);
    const matching = this.operations.filter((o) => o.method === method.toLowerCase() && o.pattern.test(path));
    return matching.find((o) => !o.path.includes('{')) ?? matching[0];
  }

  knowsPath(target) {
    const path = this.pathOf(target);
    return this.operations.some((o) => o.pattern.test(path));
  }

  /// What is wrong with an answer {method, path, status, headers, body}: a list of sentences. Names of headers in
  /// lower case; without headers only status and body are judged.
  check(answer) {
    const operation = this.find(answer.method === 'HEAD' ? 'GET' : answer.method, answer.path);
    if (operation) return this.checkDocumented(operation, answer);
    const expected = !this.knowsPath(answer.path) ? 404 : answer.method === 'OPTIONS' ? 204 : 405;
    // What is refused before a route is looked for is the same for all calls.
    const always = [400, 408, 413, 431, 500, 503];
    if (answer.status !== expected && !always.includes(answer.status))
      return [`a call that is not in the document was answered with ${answer.status}`];
    if (answer.headers && (answer.status === 204 || answer.status === 405)) {
      const problem = this.judgeAllow(answer);
      if (problem) return [problem];
    }
    if (answer.status === 204) return [];
    const wrong = this.judge(['components', 'schemas', 'error'], JSON.parse(answer.body));
    return wrong ? [wrong] : [];
  }

  /// Allow names what the path has, HEAD where it has GET, and OPTIONS.
  judgeAllow(answer) {
    const path = this.pathOf(answer.path);
    const exact = this.operations.filter((o) => o.path === path);
    const there = exact.length > 0 ? exact : this.operations.filter((o) => o.pattern.test(path));
    const expected = new Set([...there.map((o) => o.method.toUpperCase()), 'OPTIONS']);
    if (expected.has('GET')) expected.add('HEAD');
    const sorted = (names) => [...names].sort().join(', ');
    const given = sorted((answer.headers.allow ?? '').split(', '));
    return given === sorted(expected) ? '' : `Allow is "${given}", not "${sorted(expected)}"`;
  }

  checkDocumented(operation, answer) {
    const place = [...operation.pointer, 'responses'];
    const all = this.at(place).value;
    const status = [String(answer.status), `${String(answer.status)[0]}XX`, 'default'].find((s) => all[s]);
    if (!status) return [`the status ${answer.status} is not documented: ${answer.body.slice(0, 300)}`];
    const response = this.at([...place, status]);
    const problems = answer.headers ? this.checkHeaders(response, answer.headers) : [];
    if (answer.method === 'HEAD') return problems;
    let value = answer.body;
    let isJson = true;
    try {
      value = JSON.parse(answer.body);
    } catch {
      isJson = false;
    }
    const guessed = isJson ? 'application/json' : 'text/plain';
    const type = answer.headers ? (answer.headers['content-type'] ?? '').split(';')[0].trim() : guessed;
    const content = response.value.content?.[type];
    if (!content) return [...problems, `the content type ${type} is not documented`];
    if (type === 'application/json' && !isJson)
      return [...problems, `the body is not JSON: ${answer.body.slice(0, 300)}`];
    if (type !== 'application/json') value = answer.body;
    const wrong = this.judge([...response.pointer, 'content', type, 'schema'], value);
    if (wrong) problems.push(`${wrong}, in ${answer.body.slice(0, 2000)}`);
    return problems;
  }

  checkHeaders(response, headers) {
    const problems = [];
    for (const name of Object.keys(response.value.headers ?? {})) {
      const header = this.at([...response.pointer, 'headers', name]);
      const given = headers[name.toLowerCase()];
      if (given === undefined) {
        if (header.value.required) problems.push(`the header ${name} is missing`);
        continue;
      }
      const number = this.at([...header.pointer, 'schema']).value.type === 'integer';
      const wrong = this.judge([...header.pointer, 'schema'], number ? Number(given) : given);
      if (wrong) problems.push(`the header ${name}: ${wrong}`);
    }
    return problems;
  }
}
