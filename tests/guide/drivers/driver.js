const { readFileSync } = require('node:fs');
const folder = process.argv[2];
const text = (name) => readFileSync(`${folder}/${name}`, 'utf8').trim();
const headers = Object.fromEntries(text('headers').split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
const body = readFileSync(`${folder}/body`);
console.log(`standard=${verifyStandard(body, headers, text('secret'), Number(text('now')))} klen=${verifyKlen(body, headers, text('secret'))}`);
