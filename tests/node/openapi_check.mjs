// Is the OpenAPI document valid, and are its examples true? Asks a validator that this project did not write, compiles
// every schema strictly and holds every example to its schema.
//
// Reads the document from the file that is named.
import { readFileSync } from 'node:fs';
import { Contract } from './openapi_contract.mjs';

const { Validator } = await import('@seriousme/openapi-schema-validator');
const document = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const problems = [];
const counts = { schemas: 0, examples: 0, references: 0 };

const result = await new Validator().validate(structuredClone(document));
if (!result.valid) problems.push(`not valid OpenAPI: ${JSON.stringify(result.errors).slice(0, 2000)}`);

const contract = new Contract(document);
const used = new Set();

function checkSchema(pointer) {
  counts.schemas++;
  try {
    contract.judge(pointer, null);
  } catch (error) {
    problems.push(`${pointer.join(' ')}: ${error.message}`);
  }
}

function checkExample(pointer, value) {
  counts.examples++;
  try {
    const wrong = contract.judge(pointer, value);
    if (wrong) problems.push(`the example of ${pointer.join(' ')}: ${wrong}`);
  } catch (error) {
    problems.push(`the example of ${pointer.join(' ')}: ${error.message}`);
  }
}

function walk(value, pointer) {
  if (value === null || typeof value !== 'object') return;
  if (typeof value.$ref === 'string') {
    counts.references++;
    used.add(value.$ref);
    const place = value.$ref.slice(2).split('/').map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (!value.$ref.startsWith('#/') || contract.at(place).value === undefined)
      problems.push(`${pointer.join(' ')}: ${value.$ref} leads nowhere`);
  }
  if (value.schema && typeof value.schema === 'object') {
    const schema = [...pointer, 'schema'];
    checkSchema(schema);
    if ('example' in value) checkExample(schema, value.example);
    for (const example of Object.values(value.examples ?? {})) checkExample(schema, example.value);
  }
  for (const [key, inner] of Object.entries(value))
    if (key !== 'example' && key !== 'examples') walk(inner, [...pointer, key]);
}
walk(document, []);
for (const name of Object.keys(document.components.schemas)) checkSchema(['components', 'schemas', name]);
for (const [kind, all] of Object.entries(document.components))
  for (const name of Object.keys(all))
    if (kind !== 'securitySchemes' && !used.has(`#/components/${kind}/${name}`))
      problems.push(`components ${kind} ${name} is used by nobody`);

const ids = contract.operations.map((o) => contract.at(o.pointer).value.operationId);
for (const id of ids.filter((one, i) => ids.indexOf(one) !== i)) problems.push(`two operations are called ${id}`);

for (const problem of problems.slice(0, 30)) console.log(problem);
console.log(`checked ${counts.schemas} schemas, ${counts.examples} examples, ${counts.references} references, ` +
            `${ids.length} operations: ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
