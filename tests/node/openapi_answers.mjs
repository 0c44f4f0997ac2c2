// Holds answers that a test has seen to the OpenAPI document.
//
// Reads a file of lines: the document, then {"method","path","status","body"} each.
import { readFileSync } from 'node:fs';
import { Contract } from './openapi_contract.mjs';

const [document, ...answers] = readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
const contract = new Contract(document);
let problems = 0;
for (const answer of answers) {
  for (const what of contract.check(answer)) {
    if (problems++ < 20) console.log(`${answer.method} ${answer.path} → ${answer.status}: ${what}`);
  }
}
console.log(`checked ${answers.length} answers, ${problems} problems`);
process.exitCode = problems > 0 ? 1 : 0;
