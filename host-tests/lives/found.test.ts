/** Lives that broke the promise once hold now. */
import assert from 'node:assert/strict';
import { SUBJECT } from '../support/subject.ts';
import { FOUND } from './found.ts';
import { replay } from './lives.ts';
import { modulesOfSubject } from './subject.ts';

describe(`lives that broke once (${SUBJECT})`, () => {
  const modules = modulesOfSubject();
  for (const [name, life] of FOUND)
    it(name, () => {
      const { broken, story } = replay(life, modules, true);
      assert.equal(broken, undefined, story!.join('\n'));
    });
});
