// Does with the results of queries what Grafana does before a panel sees them. Reads JSON from the standard input:
//
//   {"units": [UNIT...], "panels": [{"transformations": [...], "frames": [{"refId": ..., "fields": [...]}]}...]}
//
// and writes {"unknownUnits": [...], "unknownTransformations": [...], "panels": [[FRAME...]...]}, each frame as
// {"fields": [{"name": ..., "shown": ..., "values": [...]}]} with the names that code and people see.
//
// Later versions of the library can only be loaded by later versions of Node.js than Debian 12's, and d3-interpolate,
// which nothing here calls, only in its last version that is no ECMAScript module (see package.json).

'use strict';

// The library looks for settings of the page that it runs in, and for the reader's language.
globalThis.window ??= globalThis;
globalThis.navigator ??= { language: 'en', languages: ['en'] };

const { readFileSync } = require('node:fs');
const { firstValueFrom } = require('rxjs');
const {
  getFieldDisplayName, getValueFormats, standardTransformers, standardTransformersRegistry, toDataFrame,
  transformDataFrame,
} = require('@grafana/data');

function knownUnits() {
  const found = new Set();
  const add = (groups) => groups.forEach((one) => (one.submenu ? add(one.submenu) : found.add(one.value)));
  add(getValueFormats());
  return found;
}

async function main() {
  const input = JSON.parse(readFileSync(0, 'utf8'));
  // One of them stands there under two names.
  const known = [...new Set(Object.values(standardTransformers))];
  standardTransformersRegistry.setInit(() =>
    known.map((one) => ({ id: one.id, name: one.name, transformation: one, editor: () => null })));

  const units = knownUnits();
  const used = input.panels.flatMap((panel) => panel.transformations.map((one) => one.id));
  const output = {
    unknownUnits: input.units.filter((unit) => !units.has(unit)),
    unknownTransformations: used.filter((id) => !known.some((one) => one.id === id)),
    panels: [],
  };
  for (const panel of input.panels) {
    const frames = panel.frames.map(toDataFrame);
    const result = await firstValueFrom(transformDataFrame(panel.transformations, frames));
    output.panels.push(result.map((frame) => ({
      fields: frame.fields.map((field) => ({
        name: field.name, shown: getFieldDisplayName(field, frame, result), values: [...field.values],
      })),
    })));
  }
  process.stdout.write(JSON.stringify(output));
}

main();
